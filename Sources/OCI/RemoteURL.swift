/// An absolute `http` or `https` URL, read strictly.
///
/// Registries send us URLs (token realms, upload locations, page links) and the decision whether credentials may
/// travel there depends on the host. So whatever another parser (libcurl's) might read differently is not a URL
/// here: userinfo, backslashes, whitespace, control characters, fragments, percent-encoded hosts.
struct RemoteURL: Hashable, Sendable, CustomStringConvertible {
    enum Scheme: String, Sendable {
        case http
        case https
        var defaultPort: UInt16 { self == .http ? 80 : 443 }
    }

    /// Scheme, host and port: two URLs of one origin may share credentials (RFC 6454 §4).
    struct Origin: Hashable, Sendable, CustomStringConvertible {
        let scheme: Scheme
        let host: String
        let port: UInt16
        var description: String { "\(scheme.rawValue)://\(host):\(port)" }
    }

    let scheme: Scheme
    let authority: Authority
    /// Begins with `/` unless empty.
    let path: String
    /// Without the question mark.
    let query: String?

    init?(_ text: String) {
        guard text.utf8.count <= 8192, let separator = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased())
        else { return nil }
        let rest = text[separator.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let authority = Authority(String(rest[..<end])) else { return nil }
        self.init(scheme: scheme, authority: authority, target: rest[end...])
    }

    private init?(scheme: Scheme, authority: Authority, target: Substring) {
        guard target.utf8.allSatisfy({ $0.isVisible && !Self.ambiguous.contains($0) }) else { return nil }
        let question = target.firstIndex(of: "?")
        self.scheme = scheme
        self.authority = authority
        self.path = String(target[..<(question ?? target.endIndex)])
        self.query = question.map { String(target[target.index(after: $0)...]) }
    }

    private static let ambiguous = Set("\\#\"<>^`{}|".utf8)

    /// Resolves what a `Location` or `Link` field may hold: an absolute URL or an absolute path (RFC 3986 §4.2).
    ///
    /// Path-relative and scheme-relative forms are refused; no registry sends them, and `//host/` reads like a path.
    func resolving(_ reference: String) -> RemoteURL? {
        guard reference.utf8.first == UInt8(ascii: "/") else { return RemoteURL(reference) }
        guard !reference.hasPrefix("//"), reference.utf8.count <= 8192 else { return nil }
        return RemoteURL(scheme: scheme, authority: authority, target: reference[...])
    }

    /// The same URL with one more query item; `name` and `value` are percent-encoded.
    func adding(_ name: String, _ value: String) -> String {
        let item = "\(name.percentEncoded)=\(value.percentEncoded)"
        guard let query else { return "\(self)?\(item)" }
        return query.isEmpty ? "\(self)\(item)" : "\(self)&\(item)"
    }

    var origin: Origin {
        Origin(scheme: scheme, host: authority.host, port: authority.port ?? scheme.defaultPort)
    }

    var description: String {
        "\(scheme.rawValue)://\(authority)\(path)" + (query.map { "?\($0)" } ?? "")
    }
}

extension String {
    /// Everything but the unreserved characters of RFC 3986 §2.3 as `%XX`; right for query items and form bodies.
    var percentEncoded: String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in utf8 {
            if byte.isWord || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "~") {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
