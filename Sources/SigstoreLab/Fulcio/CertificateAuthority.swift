import FoundationEssentials
import OpenSSL

/// The file CA behind the lab's Fulcio: a P-256 intermediate under a P-384 root, leaves that live ten minutes.
struct CertificateAuthority: Sendable {
    private static let lifetime: TimeInterval = 600
    private static let codeSigning = "1.3.6.1.5.5.7.3.3"

    private let key: PrivateKey
    let intermediate: Certificate
    let root: Certificate
    /// Intermediate, then root, as Fulcio answers them.
    var chain: [Certificate] { [intermediate, root] }

    init(_ store: KeyStore, _ number: Int) throws {
        let rootKey = try store.key(KeyStore.name("fulcio-root", number), .ecdsaP384)
        root = try store.certificate(KeyStore.name("fulcio-root", number), for: rootKey, by: nil) {
            $0.authority = .init()
            $0.keyUsage = [.certificateSigning, .crlSigning]
        }
        key = try store.key(KeyStore.name("fulcio-intermediate", number), .ecdsaP256)
        intermediate = try store.certificate(
            KeyStore.name("fulcio-intermediate", number), for: key, by: (rootKey, root)
        ) {
            $0.authority = .init(pathLength: 0)
            $0.keyUsage = [.certificateSigning, .crlSigning]
            $0.extendedKeyUsages = [Self.codeSigning]
        }
    }

    /// Issues a leaf: precertificate, CT log, then the certificate with the promise embedded (RFC 6962 §3.1).
    func issue(
        to publicKey: PublicKey, for principal: Principal, log: CertificateLog, now: Date,
        distortions: Set<Fault.Distortion> = []
    ) async throws -> Certificate {
        // Whole seconds, as certificates count; the second in which it is asked for is the first of its life.
        let notBefore = Date(timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down))
        var template = CertificateTemplate(notBefore: notBefore, notAfter: notBefore.addingTimeInterval(Self.lifetime))
        template.keyUsage = .digitalSignature
        template.extendedKeyUsages = [Self.codeSigning]
        let isWrong = distortions.contains(.wrongIdentity)
        template.subjectAlternativeNames = [isWrong ? .uri("https://countersign.lab/somebody-else") : principal.name]
        let issuer = [1, 8].map { FulcioExtension(number: $0, text: principal.issuer.url) }
        let subject = FulcioExtension(number: 24, text: principal.subject)
        template.extensions = (issuer + principal.extensions + [subject]).sorted { $0.number < $1.number }
            .map(\.encoded)
        guard !distortions.contains(.noSCT) else {
            return try template.issue(for: publicKey, signedBy: key, issuer: intermediate)
        }
        template.isPrecertificate = true
        let precertificate = try template.issue(for: publicKey, signedBy: key, issuer: intermediate)
        let promise = try await log.add(
            [precertificate.der, intermediate.der, root.der], isPrecertificate: true, now: now)
        template.isPrecertificate = false
        template.signedCertificateTimestamps = [
            try SignedCertificateTimestamp(tls: promise.serialized(logID: log.logID))
        ]
        return try template.issue(for: publicKey, signedBy: key, issuer: intermediate)
    }
}
