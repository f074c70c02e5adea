import OpenSSL
import Testing

@Suite struct KeyTests {
    static let schemes: [(KeyAlgorithm, SignatureScheme)] = [
        (.ecdsaP256, .ecdsa(.sha256)), (.ecdsaP384, .ecdsa(.sha384)), (.ecdsaP384, .ecdsa(.sha256)),
        (.ecdsaP521, .ecdsa(.sha512)), (.rsa(bits: 2048), .rsaPKCS1(.sha256)), (.rsa(bits: 2048), .rsaPKCS1(.sha512)),
        (.rsa(bits: 2048), .rsaPSS(.sha256)), (.ed25519, .ed25519),
    ]
    let message = Array("a message".utf8)

    @Test(arguments: schemes)
    func `what a key signs its public half verifies, and nothing else`(
        algorithm: KeyAlgorithm, scheme: SignatureScheme
    ) throws {
        let key = try PrivateKey.generate(algorithm)
        let signature = try key.sign(message, scheme)
        try PublicKey(spki: key.publicKey.spki).verify(signature, of: message, scheme)

        let other = try PrivateKey.generate(algorithm).publicKey
        var flipped = signature
        flipped[flipped.count / 2] ^= 1
        #expect(throws: CryptoError.signatureInvalid) { try other.verify(signature, of: message, scheme) }
        #expect(throws: CryptoError.signatureInvalid) { try key.publicKey.verify(flipped, of: message, scheme) }
        #expect(throws: CryptoError.signatureInvalid) { try key.publicKey.verify(signature, of: [], scheme) }
        #expect(throws: CryptoError.signatureInvalid) { try key.publicKey.verify([], of: message, scheme) }
        #expect(throws: CryptoError.signatureInvalid) {
            try key.publicKey.verify(signature + [0], of: message, scheme)
        }
    }

    @Test(arguments: schemes.filter { $0.0 != .ed25519 })
    func `a prehashed signature is the signature of the message`(
        algorithm: KeyAlgorithm, scheme: SignatureScheme
    ) throws {
        let key = try PrivateKey.generate(algorithm)
        let digestAlgorithm =
            switch scheme {
            case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): digest
            case .ed25519: DigestAlgorithm.sha512
            }
        let digest = Hash.digest(digestAlgorithm, message)
        try key.publicKey.verify(key.sign(message, scheme), prehashed: digest, scheme)
        try key.publicKey.verify(key.sign(prehashed: digest, scheme), of: message, scheme)
        #expect(throws: CryptoError.signatureInvalid) {
            try key.publicKey.verify(key.sign(message, scheme), prehashed: digest.reversed(), scheme)
        }
        #expect(throws: CryptoError.malformed(what: "\(digestAlgorithm) digest", detail: "31 bytes")) {
            try key.publicKey.verify(key.sign(message, scheme), prehashed: Array(digest.prefix(31)), scheme)
        }
    }

    /// RFC 8032 §7.1, TEST 3.
    @Test func `Ed25519 gives the signature of RFC 8032`() throws {
        let seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
        let pkcs8 = PEM(label: "PRIVATE KEY", der: hex("302e020100300506032b657004220420") + seed)
        let key = try PrivateKey(pem: pkcs8.text)
        let expected = hex(
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """)
        #expect(key.publicKey.ed25519Bytes == hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"))
        #expect(try key.sign([0xaf, 0x82]) == expected)
        try PublicKey(ed25519: key.publicKey.ed25519Bytes ?? []).verify(expected, of: [0xaf, 0x82])
    }

    @Test func `prehashed Ed25519 is refused by name`() throws {
        let key = try PrivateKey.generate(.ed25519)
        #expect(throws: CryptoError.unsupported("Ed25519ph (prehashed Ed25519)")) {
            try key.publicKey.verify(Array(repeating: 0, count: 64), prehashed: Hash.sha512(message), .ed25519)
        }
        #expect(throws: CryptoError.unsupported("Ed25519ph (prehashed Ed25519)")) {
            try key.sign(prehashed: Hash.sha512(message), .ed25519)
        }
    }

    @Test(arguments: [
        (KeyAlgorithm.ecdsaP256, SignatureScheme.rsaPKCS1(.sha256)), (.ecdsaP256, .ed25519),
        (.ecdsaP256, .ecdsa(.sha1)),
        (.rsa(bits: 2048), .ecdsa(.sha256)), (.rsa(bits: 2048), .rsaPKCS1(.sha1)), (.ed25519, .ecdsa(.sha512)),
    ])
    func `a scheme that does not go with the key is refused`(algorithm: KeyAlgorithm, scheme: SignatureScheme) throws {
        let key = try PrivateKey.generate(algorithm)
        #expect { try key.sign(message, scheme) } throws: { ($0 as? CryptoError)?.code == "crypto.unsupported" }
        #expect { try key.publicKey.verify([], of: message, scheme) } throws: {
            ($0 as? CryptoError)?.code == "crypto.unsupported"
        }
    }

    @Test(arguments: [KeyAlgorithm.ecdsaP256, .ecdsaP384, .ecdsaP521, .rsa(bits: 3072), .ed25519])
    func `keys survive their PEM and JWK forms`(algorithm: KeyAlgorithm) throws {
        let key = try PrivateKey.generate(algorithm)
        #expect(key.algorithm == algorithm)
        let restored = try PrivateKey(pem: key.pem())
        #expect(restored.publicKey == key.publicKey)
        #expect(try PublicKey(pem: key.publicKey.pem) == key.publicKey)
        let rebuilt: PublicKey? =
            if let point = key.publicKey.ecPoint {
                try PublicKey(algorithm, x: point.x, y: point.y)
            } else if let rsa = key.publicKey.rsaComponents {
                try PublicKey(rsaModulus: [0] + rsa.modulus, exponent: rsa.exponent)
            } else {
                try key.publicKey.ed25519Bytes.map { try PublicKey(ed25519: $0) }
            }
        #expect(rebuilt == key.publicKey)
    }

    @Test func `a private key shows itself nowhere`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(text.contains("redacted"))
            #expect(!text.contains("raw"))
        }
    }

    @Test func `ECDSA signatures convert to the form of JWS and back`() throws {
        for algorithm in [KeyAlgorithm.ecdsaP256, .ecdsaP384, .ecdsaP521] {
            let key = try PrivateKey.generate(algorithm)
            for _ in 0..<20 {
                let signature = try key.sign(message)
                let raw = try ECDSASignature.raw(fromDER: signature, algorithm)
                #expect(try ECDSASignature.der(fromRaw: raw, algorithm) == signature)
            }
        }
        #expect(throws: CryptoError.self) {
            try ECDSASignature.der(fromRaw: Array(repeating: 1, count: 63), .ecdsaP256)
        }
        #expect(throws: CryptoError.self) { try ECDSASignature.raw(fromDER: hex("3006020101020101 00"), .ecdsaP256) }
    }
}
