import Curl
import FoundationEssentials
import OpenSSL
import SigstoreLab
import Testing

@testable import Sigstore

/// Signing in one call, at a lab.
@Suite struct KeylessSignerTests {
    /// An instance, and who signs there.
    private struct Instance: Sendable {
        let lab: Lab
        let configuration: ClientTrustConfig
        let token: IdentityToken
        let identity: CertificateIdentity
        private let http: HTTPClient

        static func run(_ logs: LogChoice = .v1, _ body: @escaping @Sendable (Instance) async throws -> Void)
            async throws
        {
            try await RunningLab.withFolder { folder in
                var configuration = LabConfiguration(directory: folder)
                configuration.logs = logs
                try await Lab.withRunning(configuration) { lab in
                    let http = HTTPClient()
                    defer { http.shutdown() }
                    try await body(
                        Instance(
                            lab: lab, configuration: ClientTrustConfig(json: try await lab.clientTrustConfigJSON),
                            token: IdentityToken(try await lab.token()),
                            identity: CertificateIdentity(
                                subjectAlternativeName: .exact(
                                    "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"),
                                issuer: .exact(try await lab.endpoints.issuer(.kubernetes))), http: http))
                }
            }
        }

        /// - Parameter identity: who must be signing.
        func signer(as identity: CertificateIdentity? = nil) throws -> KeylessSigner {
            try KeylessSigner(configuration, tokens: token, as: identity, http: http) { _ in RunningLab.route }
        }

        /// One that believes other anchors than the instance's.
        func signer(trusting root: TrustedRoot) throws -> KeylessSigner {
            let services = try KeylessSigner.Services(
                configuration.signingConfig, trusting: root, http: http, route: { _ in RunningLab.route })
            return KeylessSigner(services, tokens: token, verifier: Verifier(root: root))
        }

        /// As somebody else verifies what was written.
        func verify(_ bundle: UnverifiedBundle, _ artifact: ArtifactDigest) throws -> VerifiedSignature {
            try Verifier(root: configuration.trustedRoot).verify(
                UnverifiedBundle(json: bundle.json()), artifact: artifact, identity: identity)
        }
    }

    private static let image = ArtifactDigest(sha256Of: Array("image".utf8))
    private static let statement = Statement(subjects: [.init(digest: ["sha256": image.hex])])

    @Test(arguments: [(LogChoice.v1, 1), (.v2, 1), (.both, 2)])
    func `a statement gets as many entries and timestamps as the configuration says`(
        logs: LogChoice, entries: Int
    ) async throws {
        try await Instance.run(logs) { instance in
            let bundle = try await instance.signer(as: instance.identity).sign(Self.statement)
            #expect(bundle.tlogEntries.count == entries && bundle.timestamps.count == 1)
            let verified = try instance.verify(bundle, Self.image)
            #expect(verified.statement == Self.statement)
            #expect(instance.lab.rekorSize == (logs == .v2 ? 0 : 1) && instance.lab.rekor2Size == (logs == .v1 ? 0 : 1))
        }
    }

    @Test(arguments: [LogChoice.v1, .v2])
    func `of an artifact nothing but the digest is needed`(logs: LogChoice) async throws {
        try await Instance.run(logs) { instance in
            let bundle = try await instance.signer().sign(Self.image)
            guard case .artifact = try instance.verify(bundle, Self.image).claim else {
                Issue.record("\(bundle.content)")
                return
            }
            let other = try ArtifactDigest(algorithm: "sha512", hex: Hex.encode(Hash.digest(.sha512, [])))
            let error = await #expect(throws: SigstoreError.self) { try await instance.signer().sign(other) }
            #expect(error?.code == "sigstore.unsupported")
        }
    }

    @Test func `the bytes of somebody else's statement stay as they are`() async throws {
        try await Instance.run { instance in
            let hex = String(repeating: "ab", count: 64)
            let json = Array(
                #"{ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://example.com/x", "subject": [{"digest": {"gitCommit": "1"}}, {"digest": {"sha512": "\#(hex)"}}] }"#
                    .utf8)
            let bundle = try await instance.signer().sign(statement: json)
            guard case .envelope(let envelope) = bundle.content else {
                Issue.record("\(bundle.content)")
                return
            }
            #expect(envelope.payload == json)
            _ = try instance.verify(bundle, ArtifactDigest(algorithm: "sha512", hex: hex))
            let nameless = Statement(subjects: [.init(digest: ["gitCommit": "1"])])
            let error = await #expect(throws: SigstoreError.self) { try await instance.signer().sign(nameless) }
            #expect(error?.code == "sigstore.malformed")
        }
    }

    @Test func `what would not verify is not logged`() async throws {
        try await Instance.run { instance in
            let root = instance.configuration.trustedRoot
            let stranger = TrustedRoot(
                tlogs: root.tlogs, ctLogs: root.ctLogs, certificateAuthorities: [],
                timestampAuthorities: root.timestampAuthorities)
            let chain = await #expect(throws: VerificationError.self) {
                try await instance.signer(trusting: stranger).sign(Self.statement)
            }
            #expect(chain?.check == .chain)
            let somebody = try CertificateIdentity(
                subjectAlternativeName: .exact("somebody@example.com"), issuer: .exact("https://example.com"))
            let identity = await #expect(throws: VerificationError.self) {
                try await instance.signer(as: somebody).sign(Self.statement)
            }
            #expect(identity?.check == .identity)
            #expect(instance.lab.certificatesIssued == 2 && instance.lab.rekorSize == 0)
        }
    }

    @Test func `an entry that does not verify is not handed out`() async throws {
        try await Instance.run { instance in
            instance.lab.faults.set(Fault(.distort(.badSET), count: 1), for: .rekor)
            let error = await #expect(throws: VerificationError.self) {
                try await instance.signer().sign(Self.statement)
            }
            #expect(error?.check == .signedEntryTimestamp)
        }
    }

    @Test func `an answer of the log that was lost is asked for again, and is of the same entry`() async throws {
        try await Instance.run { instance in
            instance.lab.faults.set(Fault(.dropAnswer, count: 1), for: .rekor)
            _ = try instance.verify(try await instance.signer().sign(Self.statement), Self.image)
            #expect(instance.lab.rekorSize == 1)
        }
    }

    @Test func `many signatures at once share a certificate`() async throws {
        try await Instance.run { instance in
            let signer = try instance.signer()
            try await withThrowingTaskGroup(of: UnverifiedBundle.self) { group in
                for number in 0..<10 {
                    group.addTask { try await signer.sign(ArtifactDigest(sha256Of: Array("\(number)".utf8))) }
                }
                for try await bundle in group { #expect(bundle.tlogEntries.count == 1) }
            }
            #expect(instance.lab.certificatesIssued == 1 && instance.lab.rekorSize == 10)
        }
    }
}
