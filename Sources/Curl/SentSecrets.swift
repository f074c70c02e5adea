internal import FoundationEssentials

/// What a request carried that no message may repeat: services quote what they refuse, and proxies print whole requests.
struct SentSecrets: Sendable, CustomStringConvertible, CustomReflectable {
    private let values: [String]

    /// What the credential headers of `request` hold, and its own ``HTTPRequest/secrets``.
    init(of request: HTTPRequest) {
        let names = ["Authorization", "Proxy-Authorization", "X-Amz-Security-Token", "X-aws-ec2-metadata-token"]
        values = request.secrets + names.flatMap(request.headers.values(of:)).flatMap(Self.secrets(in:))
    }

    /// Nothing was sent.
    init() { values = [] }

    var description: String { "\(values.count) secrets (redacted)" }
    var customMirror: Mirror { Mirror(self, children: [:]) }

    /// `text` without them, as they are and percent-encoded. Shorter ones are words of any text, and stay.
    func removed(from text: some Sequence<UInt8>) -> [UInt8] {
        let forms = Set(values.flatMap { [$0, percentEncoded($0)] }.map { Array($0.utf8) })
        // one may stand within another
        return forms.filter { $0.count >= 4 }.sorted { $0.count > $1.count }.reduce(Array(text)) {
            $0.replacing($1, with: redacted)
        }
    }

    /// What stands behind the scheme; of Basic the password too (RFC 7617 §2), whoever's it is.
    private static func secrets(in field: String) -> [String] {
        let words = field.split(separator: " ")
        guard let last = words.last.map(String.init) else { return [] }
        guard words.count == 2, words[0].lowercased() == "basic", let pair = Data(base64Encoded: last),
            let colon = pair.firstIndex(of: UInt8(ascii: ":"))
        else { return [last] }
        return [last, String(decoding: pair[(colon + 1)...], as: UTF8.self)]
    }
}

extension HTTPResponse {
    /// The first 64 kB of `text`, which is this answer's, fit for a message: without the secrets that were sent for it, and
    /// without what looks like a JWS, whoever's it is. Read what is escaped before: a secret in JSON may not look like one.
    public func withoutSecrets(_ text: String) -> String {
        String(decoding: sent.removed(from: text.utf8.prefix(64 << 10)).withoutJWS, as: UTF8.self)
    }
}

private let redacted = Array("«redacted»".utf8)

extension [UInt8] {
    /// A JWS begins with `eyJ`, base64url of `{"`: from there to the end of its run, if there is room for a header.
    fileprivate var withoutJWS: [UInt8] {
        var kept: [UInt8] = []
        var rest = self[...]
        while let start = rest.firstRange(of: Array("eyJ".utf8))?.lowerBound {
            let end = rest[start...].firstIndex { !$0.isOfJWS } ?? endIndex
            kept += rest[..<start] + (end - start >= 20 ? redacted[...] : rest[start..<end])
            rest = rest[end...]
        }
        return kept + rest
    }
}

extension UInt8 {
    /// base64url, its other alphabet, and the dots between a JWS's parts.
    fileprivate var isOfJWS: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-_.+/".utf8.contains(self)
        }
    }
}
