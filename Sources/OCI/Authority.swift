/// `host[:port]`: the part of a URL, a reference and a credential key that says who is spoken to.
struct Authority: Hashable, Sendable, CustomStringConvertible {
    /// The host, lowercase; an IPv6 address keeps its brackets.
    let host: String
    let port: UInt16?

    /// Parses strictly; anything that two parsers might read differently (userinfo, backslash, percent-encoding,
    /// trailing dots) is refused.
    init?(_ text: String) {
        let host: Substring
        let rest: Substring
        if text.utf8.first == UInt8(ascii: "[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[...close]
            rest = text[text.index(after: close)...]
            let address = host.utf8.dropFirst().dropLast()
            guard address.count >= 2, address.count <= 39, address.contains(UInt8(ascii: ":")),
                address.allSatisfy({
                    $0.isDigit || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") || ($0 | 0x20).isLowercaseHex
                })
            else { return nil }
        } else {
            let colon = text.firstIndex(of: ":") ?? text.endIndex
            host = text[..<colon]
            rest = text[colon...]
            guard Self.isDomainName(host) else { return nil }
        }
        guard let port = Self.port(rest) else { return nil }
        self.host = host.lowercased()
        self.port = port
    }

    /// `.some(nil)` for no port, `nil` for a malformed one.
    private static func port(_ text: Substring) -> UInt16?? {
        guard !text.isEmpty else { return .some(nil) }
        let digits = text.dropFirst()
        guard text.first == ":", !digits.isEmpty, digits.utf8.count <= 5, digits.utf8.allSatisfy(\.isDigit),
            let port = UInt16(digits), port > 0
        else { return nil }
        return port
    }

    /// Labels of letters, digits and inner hyphens, joined by single dots; at most 253 characters (RFC 1035 §2.3).
    private static func isDomainName(_ host: Substring) -> Bool {
        guard (1...253).contains(host.utf8.count) else { return false }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last, label.utf8.count <= 63 else { return false }
            return first.isAlphanumeric && last.isAlphanumeric
                && label.utf8.allSatisfy { $0.isAlphanumeric || $0 == UInt8(ascii: "-") }
        }
    }

    var description: String { port.map { "\(host):\($0)" } ?? host }
}
