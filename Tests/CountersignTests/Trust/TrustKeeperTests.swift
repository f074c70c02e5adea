import FoundationEssentials
import Logging
import OpenSSL
import Sigstore
import Support
import Synchronization
import Testing

@testable import Countersign

/// Rotations are followed without a restart, and nothing bad ever replaces what is good.
@Suite struct TrustKeeperTests {
    @Test func `a replaced file is followed, and unchanged files keep the caches`() async throws {
        let folder = try TemporaryDirectory()
        let file = folder.path + "/trusted_root.json"
        let first = try TrustedRootSample().json
        let second = try TrustedRootSample().json
        try Data(first).write(to: URL(fileURLWithPath: file))
        let metrics = TrustMetrics(MetricsRegistry())
        let keeper = try await TrustKeeper(
            TrustFiles(trustedRoot: file), allowsLab: false, metrics: metrics, logger: .silent)
        let known = keeper.current.trustedRoot.tlogs[0].logID
        let readAt = keeper.current.readAt

        #expect(try await !keeper.refresh())
        #expect(keeper.current.readAt == readAt)

        try Data(second).write(to: URL(fileURLWithPath: file))
        #expect(try await keeper.refresh())
        #expect(keeper.current.trustedRoot.tlogs[0].logID != known)
        #expect(metrics.rotations.value() == 1)
    }

    @Test(arguments: [nil, "", "{}", #"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.9"}"#])
    func `what cannot be read leaves the old trust in use and raises the alarm until it can`(_ bad: String?)
        async throws
    {
        let source = ScriptedTrust(try TrustedRootSample().json)
        let metrics = TrustMetrics(MetricsRegistry())
        let keeper = try await TrustKeeper(source, allowsLab: false, metrics: metrics, logger: .silent)
        let known = keeper.current.trustedRoot.tlogs[0].logID
        #expect(metrics.stale.value() == 0)

        source.set(bad.map { Array($0.utf8) })
        await #expect(throws: TrustError.self) { try await keeper.refresh() }
        #expect(keeper.current.trustedRoot.tlogs[0].logID == known)
        #expect(metrics.stale.value() == 1)
        #expect(metrics.failures.value("trust.unreadable") == 1)

        source.set(try TrustedRootSample().json)
        #expect(try await keeper.refresh())
        #expect(metrics.stale.value() == 0)
        #expect(keeper.current.trustedRoot.tlogs[0].logID != known)
    }

    @Test func `a lab's root is refused in production at the start and at a rotation`() async throws {
        let lab = try TrustedRootSample(organization: TrustedRoot.labOrganization).json
        await #expect(throws: TrustError.lab(origin: "script")) {
            _ = try await TrustKeeper(ScriptedTrust(lab), allowsLab: false, logger: .silent)
        }
        let source = ScriptedTrust(try TrustedRootSample().json)
        let keeper = try await TrustKeeper(source, allowsLab: false, logger: .silent)
        source.set(lab)
        await #expect(throws: TrustError.lab(origin: "script")) { try await keeper.refresh() }
        #expect(!keeper.current.trustedRoot.isLab)

        let trial = try await TrustKeeper(ScriptedTrust(lab), allowsLab: true, logger: .silent)
        #expect(trial.current.trustedRoot.isLab)
    }
}

/// A trust source whose documents the test sets; nil cannot be read.
final class ScriptedTrust: TrustSource {
    let origin = "script"
    let interval: Duration = .seconds(60)
    private let current: Mutex<TrustDocuments?>

    init(_ trustedRoot: [UInt8], signingConfig: [UInt8]? = nil) {
        current = Mutex(TrustDocuments(trustedRoot: trustedRoot, signingConfig: signingConfig))
    }

    func set(_ trustedRoot: [UInt8]?, signingConfig: [UInt8]? = nil, roles: [TrustRole] = []) {
        current.withLock {
            $0 = trustedRoot.map { TrustDocuments(trustedRoot: $0, signingConfig: signingConfig, roles: roles) }
        }
    }

    func documents() async throws(TrustError) -> TrustDocuments {
        guard let documents = current.withLock({ $0 }) else { throw .unreadable(origin: origin, "cannot be read") }
        return documents
    }
}

/// The smallest trusted root: one log, one authority, fresh keys.
struct TrustedRootSample {
    let json: [UInt8]

    init(organization: String = "example") throws {
        let log = try PrivateKey.generate(.ecdsaP256).publicKey
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = CertificateTemplate(
            notBefore: Date(timeIntervalSince1970: 1_700_000_000), notAfter: Date(timeIntervalSince1970: 2_000_000_000))
        template.subject = DistinguishedName(commonName: "root", organization: organization)
        template.authority = .init(pathLength: nil)
        let certificate = try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
        json = Array(
            """
            {"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
             "tlogs":[{"baseUrl":"https://log.example","hashAlgorithm":"SHA2_256","publicKey":{
               "rawBytes":"\(Base64.encode(log.spki))","keyDetails":"PKIX_ECDSA_P256_SHA_256",
               "validFor":{"start":"2024-01-01T00:00:00Z"}},"logId":{"keyId":"\(Base64.encode(Hash.sha256(log.spki)))"}}],
             "certificateAuthorities":[{"subject":{"organization":"example","commonName":"ca"},
               "uri":"https://fulcio.example","certChain":{"certificates":[
                 {"rawBytes":"\(Base64.encode(certificate.der))"}]},"validFor":{"start":"2024-01-01T00:00:00Z"}}]}
            """.utf8)
    }
}

extension Logger {
    /// Says nothing.
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
