/// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) taken apart, in the one encoding accepted per algorithm.
///
/// Elliptic-curve keys must name their curve and give an uncompressed point, RSA keys must carry the NULL parameter: a
/// key then has exactly one encoding, so that comparing or hashing the bytes compares keys.
struct SubjectPublicKeyInfo {
    enum Components {
        case ec(x: [UInt8], y: [UInt8])
        case rsa(modulus: [UInt8], exponent: [UInt8])
        case ed25519([UInt8])
    }

    let algorithm: KeyAlgorithm
    let components: Components

    private static let ecPublicKey = "1.2.840.10045.2.1"
    private static let rsaEncryption = "1.2.840.113549.1.1.1"
    private static let ed25519 = "1.3.101.112"
    private static let curves: [(oid: String, algorithm: KeyAlgorithm, fieldBytes: Int)] = [
        ("1.2.840.10045.3.1.7", .ecdsaP256, 32), ("1.3.132.0.34", .ecdsaP384, 48), ("1.3.132.0.35", .ecdsaP521, 66),
    ]

    init(der: [UInt8]) throws(CryptoError) {
        var outer = DERReader(der, "public key")
        var info = try outer.enter()
        try outer.finish()
        var identifier = try info.enter()
        let key = try info.readBitString()
        try info.finish()
        switch try identifier.readObjectIdentifier() {
        case Self.ecPublicKey:
            guard identifier.nextTag == DER.Tag.objectIdentifier else {
                throw .unsupported("elliptic-curve key with explicit parameters")
            }
            let oid = try identifier.readObjectIdentifier()
            guard let curve = Self.curves.first(where: { $0.oid == oid }) else {
                throw .unsupported("elliptic curve \(oid)")
            }
            guard key.first == 4, key.count == 1 + 2 * curve.fieldBytes else {
                throw .unsupported("elliptic-curve key that is not an uncompressed point")
            }
            algorithm = curve.algorithm
            components = .ec(x: Array(key[1...curve.fieldBytes]), y: Array(key[(1 + curve.fieldBytes)...]))
        case Self.rsaEncryption:
            _ = try identifier.read(DER.Tag.null)
            var body = DERReader(key, "RSA public key")
            var numbers = try body.enter()
            try body.finish()
            let modulus = try numbers.readMagnitude()
            let exponent = try numbers.readMagnitude()
            try numbers.finish()
            let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
            guard (2048...8192).contains(bits) else { throw .unsupported("RSA key of \(bits) bits") }
            guard exponent.count <= 4, exponent.last.map({ $0 & 1 == 1 }) ?? false, exponent != [1] else {
                throw .unsupported("RSA public exponent")
            }
            algorithm = .rsa(bits: bits)
            components = .rsa(modulus: modulus, exponent: exponent)
        case Self.ed25519:
            guard key.count == 32 else { throw .malformed(what: "Ed25519 key", detail: "\(key.count) bytes") }
            algorithm = .ed25519
            components = .ed25519(key)
        case let oid:
            throw .unsupported("public key algorithm \(oid)")
        }
        try identifier.finish()
    }

    static func encode(ecPoint x: [UInt8], _ y: [UInt8], on algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        guard let curve = curves.first(where: { $0.algorithm == algorithm }) else {
            throw .unsupported("\(algorithm) is not an elliptic curve")
        }
        guard x.count == curve.fieldBytes, y.count == curve.fieldBytes else {
            throw .malformed(what: "elliptic-curve point", detail: "coordinates of \(x.count) and \(y.count) bytes")
        }
        return DER.sequence(
            DER.sequence(try DER.objectIdentifier(ecPublicKey), try DER.objectIdentifier(curve.oid)),
            DER.bitString([4] + x + y))
    }

    static func encode(rsaModulus: [UInt8], exponent: [UInt8]) throws(CryptoError) -> [UInt8] {
        DER.sequence(
            DER.sequence(try DER.objectIdentifier(rsaEncryption), DER.null),
            DER.bitString(DER.sequence(DER.integer(rsaModulus), DER.integer(exponent))))
    }

    static func encode(ed25519 key: [UInt8]) throws(CryptoError) -> [UInt8] {
        DER.sequence(DER.sequence(try DER.objectIdentifier(ed25519)), DER.bitString(key))
    }
}
