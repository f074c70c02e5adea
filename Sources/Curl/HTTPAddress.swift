internal import CCurl

/// A parsed `http(s)` URL. libcurl's own parser reads it and libcurl dials the text that parser wrote back, so what is
/// checked and what is dialled cannot differ.
struct HTTPAddress: Sendable, Equatable {
    let scheme: String
    let host: String
    let port: String
    /// Normalised text, query included, fragment dropped: for dialling only, never for a message.
    let text: String
    /// The text without user name and query, which may hold secrets (signed blob addresses do): for messages.
    let redacted: String

    /// Reads an absolute URL, or one relative to `base` (RFC 3986 §5). Throws the reason, which holds no part of the
    /// text.
    init(_ text: String, relativeTo base: HTTPAddress? = nil) throws(Malformed) {
        guard let handle = curl_url() else { throw Malformed(reason: "no memory") }
        defer { curl_url_cleanup(handle) }
        if let base { try Self.put(base.text, into: handle) }
        try Self.put(text, into: handle)
        guard Self.part(CURLUPART_USER, of: handle) == nil, Self.part(CURLUPART_PASSWORD, of: handle) == nil else {
            throw Malformed(reason: "user name or password in the address")
        }
        curl_url_set(handle, CURLUPART_FRAGMENT, nil, 0)
        if let host = Self.part(CURLUPART_HOST, of: handle) {
            curl_url_set(handle, CURLUPART_HOST, host.lowercased(), 0)
        }
        guard let scheme = Self.part(CURLUPART_SCHEME, of: handle), scheme == "https" || scheme == "http" else {
            throw Malformed(reason: "neither https nor http")
        }
        guard let host = Self.part(CURLUPART_HOST, of: handle), !host.isEmpty,
            let port = Self.part(CURLUPART_PORT, of: handle, flags: UInt32(CURLU_DEFAULT_PORT)),
            let whole = Self.part(CURLUPART_URL, of: handle)
        else { throw Malformed(reason: "no host") }
        self.scheme = scheme
        self.host = host
        self.port = port
        self.text = whole
        let hasQuery = Self.part(CURLUPART_QUERY, of: handle) != nil
        curl_url_set(handle, CURLUPART_QUERY, nil, 0)
        redacted = (Self.part(CURLUPART_URL, of: handle) ?? "\(scheme)://\(host)") + (hasQuery ? "?…" : "")
    }

    /// Why a text is no address.
    struct Malformed: Error, Equatable {
        let reason: String
    }

    /// Scheme, host and port, for messages.
    var origin: String { "\(scheme)://\(host):\(port)" }

    /// RFC 6454 §5: credentials stay with the origin they were given to.
    func hasSameOrigin(as other: HTTPAddress) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    private static func put(_ text: String, into handle: OpaquePointer) throws(Malformed) {
        // libcurl would stop at a NUL and dial less than was checked
        guard !text.utf8.contains(0) else { throw Malformed(reason: "control character in the address") }
        let code = curl_url_set(handle, CURLUPART_URL, text, 0)
        guard code == CURLUE_OK else { throw Malformed(reason: String(cString: curl_url_strerror(code))) }
    }

    private static func part(_ part: CURLUPart, of handle: OpaquePointer, flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
