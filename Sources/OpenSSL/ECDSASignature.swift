/// Converts between the two encodings of an ECDSA signature: DER `SEQUENCE { r, s }` (X.509, Sigstore) and the
/// concatenation `r || s` at full field width (JWS, RFC 7518 §3.4).
public enum ECDSASignature {
    /// `r || s` from DER. Throws `.malformed` for non-DER input or numbers wider than the curve's field.
    public static func raw(fromDER der: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        let width = try fieldBytes(algorithm)
        var outer = DERReader(der, "ECDSA signature")
        var numbers = try outer.enter()
        try outer.finish()
        let r = try numbers.readMagnitude()
        let s = try numbers.readMagnitude()
        try numbers.finish()
        guard r.count <= width, s.count <= width else {
            throw .malformed(what: "ECDSA signature", detail: "number wider than the field")
        }
        return [r, s].flatMap { Array(repeating: 0, count: width - $0.count) + $0 }
    }

    /// DER from `r || s`. Throws `.malformed` unless the length is exactly twice the field's.
    public static func der(fromRaw raw: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        let width = try fieldBytes(algorithm)
        guard raw.count == 2 * width else {
            throw .malformed(what: "ECDSA signature", detail: "\(raw.count) bytes where \(2 * width) belong")
        }
        return DER.sequence(DER.integer(Array(raw.prefix(width))), DER.integer(Array(raw.suffix(width))))
    }

    private static func fieldBytes(_ algorithm: KeyAlgorithm) throws(CryptoError) -> Int {
        switch algorithm {
        case .ecdsaP256: 32
        case .ecdsaP384: 48
        case .ecdsaP521: 66
        case .rsa, .ed25519: throw .unsupported("\(algorithm) has no ECDSA signatures")
        }
    }
}
