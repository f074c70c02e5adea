import Foundation
import OpenSSL
import Support
import Testing

/// What the lab issues, checked with our own code and with the `openssl` program.
@Suite struct IssuingTests {
    let authority: OwnAuthority
    let key: PrivateKey

    init() throws {
        authority = try OwnAuthority()
        key = try PrivateKey.generate(.ecdsaP256)
    }

    @Test(arguments: [KeyAlgorithm.ecdsaP256, .ecdsaP384, .ecdsaP521, .rsa(bits: 2048), .ed25519])
    func `a certificate reads back as it was written`(algorithm: KeyAlgorithm) throws {
        let key = try PrivateKey.generate(algorithm)
        var template = OwnAuthority.leaf
        template.serialNumber = [0x00, 0xFE, 0x01]
        template.subjectAlternativeNames = [
            .email("a@example.test"), .uri("https://example.test/x"), .dns("example.test"),
            .otherName(oid: "1.3.6.1.4.1.57264.1.7", value: DER.utf8String("ci")),
        ]
        template.extensions = [.init(oid: "1.3.6.1.4.1.57264.1.8", value: DER.utf8String("https://issuer.test"))]
        let certificate = try authority.issue(template, for: key)
        #expect(certificate.serialNumber == [0xFE, 0x01])
        #expect(certificate.publicKey == key.publicKey)
        #expect(certificate.subjectAlternativeNames == template.subjectAlternativeNames)
        #expect(certificate.isCritical(extension: "2.5.29.17"))
        #expect(certificate.notBefore == template.notBefore)
        #expect(certificate.notAfter == template.notAfter)
        #expect(certificate.issuer == authority.intermediate.subject)
        #expect(certificate.keyUsage == .digitalSignature)
        #expect(certificate.extensionValue("1.3.6.1.4.1.57264.1.8") == DER.utf8String("https://issuer.test"))
        #expect(try authority.verify(certificate).count == 3)
    }

    @Test func `dates after 2049 are written as GeneralizedTime`() throws {
        var template = OwnAuthority.authority(named: "long", years: 1)
        template.notAfter = Date(timeIntervalSince1970: 2_540_000_000)  // 2050-06-27
        let certificate = try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
        #expect(certificate.notAfter == template.notAfter)
    }

    @Test func `only the issuer's own key may sign for it`() throws {
        #expect(throws: CryptoError.signatureInvalid) {
            try OwnAuthority.leaf.issue(for: key.publicKey, signedBy: key, issuer: authority.intermediate)
        }
    }

    @Test func `names with control characters or outside ASCII are not written`() throws {
        for name in ["https://example.test/\0", "https://exämple.test", ""] {
            var template = OwnAuthority.leaf
            template.subjectAlternativeNames = [.uri(name)]
            #expect(throws: CryptoError.self) { try authority.issue(template, for: key) }
        }
    }

    @Test func `precertificate and certificate give the log the same bytes`() throws {
        let logKey = try PrivateKey.generate(.ecdsaP256)
        var template = OwnAuthority.leaf
        template.isPrecertificate = true
        let precertificate = try authority.issue(template, for: key)
        #expect(precertificate.isCritical(extension: "1.3.6.1.4.1.11129.2.4.3"))
        let sct = try SignedCertificateTimestamp.issue(
            for: precertificate, issuer: authority.intermediate, logKey: logKey, milliseconds: 1_800_000_000_123)
        #expect(try SignedCertificateTimestamp(tls: sct.tls) == sct)

        template.isPrecertificate = false
        template.signedCertificateTimestamps = [sct]
        let certificate = try authority.issue(template, for: key)
        #expect(try certificate.precertificateTBS() == precertificate.precertificateTBS())
        #expect(try certificate.signedCertificateTimestamps() == [sct])
        try sct.verify(for: certificate, issuer: authority.intermediate, key: logKey.publicKey)
        #expect(try authority.verify(certificate).count == 3)

        let other = try authority.issue(OwnAuthority.leaf, for: key)
        #expect { try sct.verify(for: other, issuer: authority.intermediate, key: logKey.publicKey) } throws: {
            ($0 as? CryptoError)?.code == "crypto.sct"
        }
    }

    @Test func `the openssl program accepts our chain and reads our SCT`() throws {
        let directory = try TemporaryDirectory()
        let logKey = try PrivateKey.generate(.ecdsaP256)
        var template = OwnAuthority.leaf
        let sct = try SignedCertificateTimestamp.issue(
            for: authority.issue(template, for: key), issuer: authority.intermediate, logKey: logKey,
            milliseconds: 1_800_000_000_123)
        template.signedCertificateTimestamps = [sct]
        let leaf = try authority.issue(template, for: key)
        let files = (
            leaf: try directory.write(leaf.pem, to: "leaf.pem"),
            intermediate: try directory.write(authority.intermediate.pem, to: "intermediate.pem"),
            root: try directory.write(authority.root.pem, to: "root.pem")
        )
        let verified = try openssl(
            "verify", "-x509_strict", "-attime", "1800000300", "-CAfile", files.root, "-untrusted",
            files.intermediate, files.leaf)
        #expect(verified.contains("leaf.pem: OK"))
        let text = try openssl("x509", "-in", files.leaf, "-noout", "-text")
        #expect(text.contains("CT Precertificate SCTs"))
        #expect(text.contains("Jan 15 08:00:00.123 2027 GMT"))
        #expect(text.contains("URI:https://example.test/signer"))
        #expect(text.contains("Code Signing"))
    }

    @Test func `requests made here are good to the openssl program, and its requests to us`() throws {
        let directory = try TemporaryDirectory()
        let request = try CertificateRequest.create(key: key, subject: DistinguishedName(commonName: "signer"))
        try request.verify()
        let file = try directory.write(request.pem, to: "request.pem")
        #expect(try openssl("req", "-in", file, "-noout", "-verify", "-subject").contains("CN = signer"))

        let made = try openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-subj", "/CN=x",
            "-addext", "subjectAltName=DNS:example.test", "-keyout", directory.path + "/key.pem")
        let foreign = try CertificateRequest(pem: made)
        try foreign.verify()
        #expect(foreign.publicKey.algorithm == .ecdsaP384)
    }

    @Test func `a request signed by another key is refused`() throws {
        let request = try CertificateRequest.create(key: key, subject: DistinguishedName())
        let other = try PrivateKey.generate(.ecdsaP256).publicKey.spki
        var der = request.der
        let position = try #require(der.indices.first { der[$0...].starts(with: key.publicKey.spki) })
        der.replaceSubrange(position..<position + other.count, with: other)
        let forged = try CertificateRequest(der: der)
        #expect(throws: CryptoError.signatureInvalid) { try forged.verify() }
    }
}

/// Runs the `openssl` program and returns its standard output; throws with what it printed when it fails.
func openssl(_ arguments: String...) throws -> String {
    struct Failure: Error { let output: String }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    let complaints = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: printed, as: UTF8.self)
    guard process.terminationStatus == 0 else {
        throw Failure(output: text + String(decoding: complaints, as: UTF8.self))
    }
    return text
}
