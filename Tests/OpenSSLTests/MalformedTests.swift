import OpenSSL
import Testing

/// Inputs that must be refused, each with the error code it gives.
@Suite struct MalformedTests {
    private func code(_ body: () throws(CryptoError) -> Void) -> String {
        do throws(CryptoError) {
            try body()
            return "accepted"
        } catch {
            return error.code
        }
    }

    @Test(arguments: [
        "-----BEGIN PUBLIC KEY-----\nAAAA\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAA*A\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n-----END A-----\n",
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n" + String(repeating: "A", count: 1 << 20) + "\n-----END PUBLIC KEY-----\n",
    ])
    func `broken PEM is refused`(text: String) {
        #expect(code { () throws(CryptoError) in _ = try PEM.blocks(in: text) } == "crypto.malformed")
    }

    @Test func `what looks like a boundary and has no label of words is text`() throws {
        let marks = "-----BEGIN \(String(repeating: "\u{315}", count: 100))-----\n"
        let long = "-----BEGIN \(String(repeating: "A", count: 65))-----\n"
        #expect(try PEM.blocks(in: marks + long + PEM(label: "C", der: [9]).text) == [PEM(label: "C", der: [9])])
    }

    @Test func `a certificate is small and has few extensions`() throws {
        let authority = try OwnAuthority()
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = OwnAuthority.leaf
        template.extensions = (0..<110).map { .init(oid: "1.3.6.1.4.1.57264.9.\($0)", value: [5, 0]) }
        #expect(throws: CryptoError.self) { try authority.issue(template, for: key) }
        template.extensions = [
            .init(oid: "1.3.6.1.4.1.57264.9.1", value: [4, 0x83, 1, 0, 0] + Array(repeating: 0, count: 1 << 16))
        ]
        #expect(throws: CryptoError.self) { try authority.issue(template, for: key) }
        // the size is looked at before a byte is read
        #expect(
            code { () throws(CryptoError) in _ = try Certificate(der: Array(repeating: 0x30, count: 8 << 20)) }
                == "crypto.malformed")
    }

    @Test func `PEM reads with explanations, blank lines and carriage returns`() throws {
        let text =
            "subject=x\r\n\r\n-----BEGIN A B-----\r\nAAEC\r\n-----END A B-----\r\nbye\n"
            + PEM(label: "C", der: [9]).text
        #expect(try PEM.blocks(in: text) == [PEM(label: "A B", der: [0, 1, 2]), PEM(label: "C", der: [9])])
        #expect(try PEM.blocks(in: "no block") == [])
        #expect(PEM(label: "X", der: Array(repeating: 0, count: 49)).text.split(separator: "\n")[1].count == 64)
    }

    @Test func `a private key, a certificate or two keys are not a public key`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        for text in try [key.pem(), "", key.publicKey.pem + key.publicKey.pem] {
            #expect(code { () throws(CryptoError) in _ = try PublicKey(pem: text) } == "crypto.malformed")
        }
    }

    @Test func `public keys in other encodings than the one accepted are refused`() throws {
        let p256 = try PrivateKey.generate(.ecdsaP256).publicKey
        let point = try #require(p256.ecPoint)
        let algorithm = Array(p256.spki[2..<23])
        func spki(_ algorithm: [UInt8], _ key: [UInt8]) -> [UInt8] { DER.sequence(algorithm, DER.bitString(key)) }
        #expect(spki(algorithm, [4] + point.x + point.y) == p256.spki)
        let ed25519 = DER.sequence(try DER.objectIdentifier("1.3.101.112"))
        let rsa = DER.sequence(try DER.objectIdentifier("1.2.840.113549.1.1.1"), DER.null)
        func rsaKey(_ modulus: [UInt8], _ exponent: [UInt8]) -> [UInt8] {
            spki(rsa, DER.sequence(DER.integer(modulus), DER.integer(exponent)))
        }
        let modulus = [UInt8](repeating: 0xC1, count: 256)
        let table: [(String, [UInt8], String)] = [
            ("empty", [], "crypto.malformed"),
            ("trailing byte", p256.spki + [0], "crypto.malformed"),
            ("truncated", Array(p256.spki.dropLast()), "crypto.malformed"),
            ("compressed point", spki(algorithm, [2] + point.x), "crypto.unsupported"),
            ("hybrid point", spki(algorithm, [6] + point.x + point.y), "crypto.unsupported"),
            ("point at infinity", spki(algorithm, [0]), "crypto.unsupported"),
            ("point not on the curve", spki(algorithm, [4] + point.y + point.x), "crypto.malformed"),
            ("long-form length", [0x30, 0x81, 0x59] + p256.spki.dropFirst(2), "crypto.malformed"),
            ("indefinite length", [0x30, 0x80] + p256.spki.dropFirst(2) + [0, 0], "crypto.malformed"),
            (
                "explicit parameters",
                spki(DER.sequence(DER.element(6, [0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1]), DER.sequence()), [4]),
                "crypto.unsupported"
            ),
            (
                "secp256k1",
                spki(
                    DER.sequence(
                        DER.element(6, [0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1]), try DER.objectIdentifier("1.3.132.0.10")),
                    [4] + point.x + point.y), "crypto.unsupported"
            ),
            ("X25519", spki(DER.sequence(try DER.objectIdentifier("1.3.101.110")), point.x), "crypto.unsupported"),
            ("Ed25519 of 31 bytes", spki(ed25519, Array(point.x.dropLast())), "crypto.malformed"),
            ("RSA of 1024 bits", rsaKey(Array(modulus.prefix(128)), [1, 0, 1]), "crypto.unsupported"),
            ("RSA of 16384 bits", rsaKey([UInt8](repeating: 0xC1, count: 2048), [1, 0, 1]), "crypto.unsupported"),
            ("RSA exponent 1", rsaKey(modulus, [1]), "crypto.unsupported"),
            ("RSA exponent even", rsaKey(modulus, [1, 0, 0]), "crypto.unsupported"),
            (
                "RSA without NULL", spki(DER.sequence(try DER.objectIdentifier("1.2.840.113549.1.1.1")), [0]),
                "crypto.malformed"
            ),
        ]
        for (what, bytes, expected) in table {
            #expect(code { () throws(CryptoError) in _ = try PublicKey(spki: bytes) } == expected, "\(what)")
        }
    }

    @Test func `private keys that are encrypted, doubled or damaged are refused`() throws {
        let pem = try PrivateKey.generate(.ecdsaP256).pem()
        let der = try #require(try PEM.blocks(in: pem).first).der
        let table = [
            (pem.replacing("PRIVATE", with: "ENCRYPTED PRIVATE"), "crypto.unsupported"),
            (pem + pem, "crypto.malformed"),
            (PEM(label: "PRIVATE KEY", der: der + [0]).text, "crypto.malformed"),
            (PEM(label: "PRIVATE KEY", der: Array(der.dropLast(8))).text, "crypto.malformed"), ("", "crypto.malformed"),
        ]
        for (text, expected) in table {
            #expect(code { () throws(CryptoError) in _ = try PrivateKey(pem: text) } == expected)
        }
    }

    @Test func `every truncation of a certificate is refused, and every list that is not only certificates`() throws {
        let leaf = try Recorded.bundle().leaf()
        for length in 0..<leaf.der.count {
            #expect(throws: CryptoError.self, "\(length)") { try Certificate(der: Array(leaf.der.prefix(length))) }
        }
        #expect(throws: CryptoError.self) { try Certificate(der: leaf.der + [0]) }
        #expect(throws: CryptoError.self) { try Certificate.list(pem: leaf.pem + leaf.publicKey.pem) }
        #expect(throws: CryptoError.self) { try Certificate.list(pem: "") }
        #expect(throws: CryptoError.self) { try Certificate(pem: leaf.pem + leaf.pem) }
        #expect(try Certificate.list(pem: leaf.pem + leaf.pem) == [leaf, leaf])
    }

    @Test func `a changed byte of a certificate is refused by the parser or by the chain`() throws {
        let authority = try OwnAuthority()
        let leaf = try authority.issue(OwnAuthority.leaf, for: PrivateKey.generate(.ecdsaP256))
        for index in leaf.der.indices {
            var changed = leaf.der
            changed[index] ^= 0x01
            #expect(throws: CryptoError.self, "byte \(index)") { try authority.verify(Certificate(der: changed)) }
        }
    }

    @Test func `a certificate with an extension twice is refused`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = OwnAuthority.authority(named: "x", years: 1)
        template.extensions = Array(repeating: .init(oid: "1.2.3.4", value: DER.null), count: 2)
        #expect(throws: CryptoError.malformed(what: "certificate", detail: "extension 1.2.3.4 twice")) {
            try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
        }
    }

    @Test func `SCT lists that are empty, short, long or of another version are refused`() throws {
        let sct = try #require(try Recorded.bundle().leaf().signedCertificateTimestamps().first)
        let list = SignedCertificateTimestamp.encode(list: [sct, sct])
        #expect(try SignedCertificateTimestamp.list(tls: list) == [sct, sct])
        for bytes in [[], [0, 0], [0, 2, 0, 0], list + [0], Array(list.dropLast()), [0, 1, 0]] {
            #expect(throws: CryptoError.self) { try SignedCertificateTimestamp.list(tls: bytes) }
        }
        #expect(throws: CryptoError.unsupported("signed certificate timestamp version 1")) {
            try SignedCertificateTimestamp(tls: [1] + sct.tls.dropFirst())
        }
    }

    @Test func `object identifiers are written only when they are some`() throws {
        #expect(try DER.objectIdentifier("1.2.840.113549") == hex("06062a864886f70d"))
        #expect(try DER.objectIdentifier("2.999.3") == hex("0603883703"))
        for text in ["", "1", "3.1", "1.40", "1..2", "1.2.", "1.2.x", "1.2.-3", "1.2.99999999999999999999"] {
            #expect(
                code { () throws(CryptoError) in _ = try DER.objectIdentifier(text) } == "crypto.malformed", "\(text)")
        }
    }

    @Test func `errors say what was seen and leave nothing behind for the next`() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        #expect(throws: CryptoError.signatureInvalid) { try key.publicKey.verify([1, 2, 3], of: []) }
        let broken = PEM(label: "PRIVATE KEY", der: [0x30, 0]).text
        #expect { try PrivateKey(pem: broken) } throws: { error in
            let text = "\(error)"
            return text.hasPrefix("malformed private key: ") && !text.contains("no reason")
        }
        #expect(try key.publicKey.verify(key.sign([1]), of: [1]) == ())
    }
}
