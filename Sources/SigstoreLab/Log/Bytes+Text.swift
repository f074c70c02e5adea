import OpenSSL

/// Bytes as the text of the wire, and back; nil for text that is not exactly that encoding.
extension [UInt8] {
    var hex: String { Hex.encode(self) }
    var base64: String { Base64.encode(self) }
    /// RFC 7515 §2: the URL alphabet without padding.
    var base64URL: String { Base64.encodeURLSafe(self) }

    init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self = bytes
    }

    init?(base64: some StringProtocol) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self = bytes
    }

    init?(base64URL: some StringProtocol) {
        guard let bytes = Base64.decodeURLSafe(base64URL) else { return nil }
        self = bytes
    }
}
