import FoundationEssentials
import OpenSSL

/// A root and an intermediate made for one test, shaped like Fulcio's.
struct OwnAuthority {
    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let codeSigning = "1.3.6.1.5.5.7.3.3"
    static let timeStamping = "1.3.6.1.5.5.7.3.8"

    let rootKey: PrivateKey
    let root: Certificate
    let key: PrivateKey
    let intermediate: Certificate

    init(
        root shapeRoot: (inout CertificateTemplate) -> Void = { _ in },
        intermediate shape: (inout CertificateTemplate) -> Void = { _ in }
    ) throws {
        rootKey = try PrivateKey.generate(.ecdsaP384)
        var template = Self.authority(named: "root", years: 10)
        shapeRoot(&template)
        root = try template.issue(for: rootKey.publicKey, signedBy: rootKey, issuer: nil)

        key = try PrivateKey.generate(.ecdsaP256)
        template = Self.authority(named: "intermediate", years: 5)
        template.authority = .init(pathLength: 0)
        template.extendedKeyUsages = [Self.codeSigning, Self.timeStamping]
        shape(&template)
        intermediate = try template.issue(for: key.publicKey, signedBy: rootKey, issuer: root)
    }

    static func authority(named name: String, years: Double) -> CertificateTemplate {
        var template = CertificateTemplate(notBefore: start, notAfter: start.addingTimeInterval(years * 31_536_000))
        template.subject = DistinguishedName(commonName: name, organization: "example.test")
        template.keyUsage = [.certificateSigning, .crlSigning]
        template.authority = .init()
        return template
    }

    static var leaf: CertificateTemplate {
        var template = CertificateTemplate(notBefore: start, notAfter: start.addingTimeInterval(600))
        template.subjectAlternativeNames = [.uri("https://example.test/signer")]
        template.keyUsage = .digitalSignature
        template.extendedKeyUsages = [codeSigning]
        return template
    }

    static var timestampLeaf: CertificateTemplate {
        var template = leaf
        template.subject = DistinguishedName(commonName: "tsa", organization: "example.test")
        template.extendedKeyUsages = [timeStamping]
        template.extendedKeyUsageIsCritical = true
        return template
    }

    func issue(_ template: CertificateTemplate, for key: PrivateKey) throws -> Certificate {
        try template.issue(for: key.publicKey, signedBy: self.key, issuer: intermediate)
    }

    func verify(
        _ leaf: Certificate, at time: Date = OwnAuthority.start, _ purpose: CertificateChain.Purpose = .codeSigning
    ) throws -> [Certificate] {
        try CertificateChain.verify(
            leaf, intermediates: [intermediate], roots: [root], at: time, purpose: purpose)
    }
}
