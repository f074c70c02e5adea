import FoundationEssentials
import OpenSSL
import Testing

@testable import Sigstore

@Suite struct FulcioExtensionTests {
    private static func certificate(_ extensions: [CertificateTemplate.Extension]) throws -> Certificate {
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = CertificateTemplate(notBefore: .now, notAfter: .now.addingTimeInterval(600))
        template.subject = DistinguishedName(commonName: "test")
        template.extensions = extensions
        return try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
    }

    @Test func `every extension of Fulcio's table is read under its own number`() throws {
        let written = FulcioExtension.Kind.allCases.map { kind in
            let text = Array("value of \(kind.rawValue)".utf8)
            return CertificateTemplate.Extension(
                oid: kind.oid, value: kind.isRaw ? text : [0x0C, UInt8(text.count)] + text)
        }
        let read = try FulcioExtension.all(of: Self.certificate(written))
        #expect(read.map(\.kind) == FulcioExtension.Kind.allCases)
        #expect(read.map(\.value) == FulcioExtension.Kind.allCases.map { "value of \($0.rawValue)" })
        #expect(read.count == 23)
        #expect(Set(FulcioExtension.Kind.allCases.map(\.name)).count == 23)
    }

    @Test func `a certificate of cosign's recording says issuer and token subject`() throws {
        guard case .certificate(let der) = try Fixture.bundle().material else {
            throw Fixture.Missing(path: "certificate")
        }
        let read = try FulcioExtension.all(of: Certificate(der: der))
        #expect(read.map(\.kind) == [.issuer, .issuerV2, .tokenSubject])
        #expect(read.map(\.value).last == "system:serviceaccount:ci:signer")
    }

    @Test func `each extension is read by itself, also one that the table does not have`() throws {
        let subject = FulcioExtension.Kind.tokenSubject.oid
        let trigger = FulcioExtension.Kind.gitHubWorkflowTrigger.oid
        let readings = FulcioExtension.readings(
            of: try Self.certificate([
                .init(oid: "1.3.6.1.4.1.57264.1.25", value: [0x0C, 0x01, 0x41]),
                .init(oid: "1.3.6.1.4.1.5726.1", value: [0x0C, 0x01, 0x41]),
                .init(oid: subject, value: [0x13, 0x01, 0x41]), .init(oid: trigger, value: Array("push".utf8)),
            ]))
        #expect(readings.map(\.oid) == [trigger, subject, "1.3.6.1.4.1.57264.1.25"])
        #expect(readings.map(\.kind) == [.gitHubWorkflowTrigger, .tokenSubject, nil])
        #expect(readings.map { try? $0.value.get() } == ["push", nil, "A"])
    }

    // the last three say a length in more bytes than it takes: the fuzzer found that they were read
    @Test(arguments: [
        [0x0C, 0x05, 0x41] as [UInt8], [0x13, 0x01, 0x41], [], [0x0C, 0x01, 0xFF], [0x0C, 0x81, 0x00],
        [0x0C, 0x81, 0x01, 0x41], [0x0C, 0x82, 0x00, 0x01, 0x41],
    ])
    func `an extension that is not a clean UTF8String is refused`(value: [UInt8]) throws {
        let certificate = try Self.certificate([.init(oid: FulcioExtension.Kind.tokenSubject.oid, value: value)])
        #expect(throws: SigstoreError.self) { try FulcioExtension.all(of: certificate) }
    }
}
