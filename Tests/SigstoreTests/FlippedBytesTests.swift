import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

/// Every byte of what is verified, changed: refused with a reason that names the step, or one of a short list of fields
/// that nothing authenticates.
///
/// By default one bit of every third byte; `scripts/flips` changes every bit of every byte (twenty minutes). The list is that of docs/verification.md.
@Suite struct FlippedBytesTests {
    private static let everything = ProcessInfo.processInfo.environment["COUNTERSIGN_FLIPS"] == "all"

    /// Calls `judge` with each flipped document; returns the members of those that it accepted.
    private func survivors(of bytes: [UInt8], judge: ([UInt8]) throws -> Void) throws -> [String: Int] {
        try survivors(of: bytes, map: DocumentMap(bytes), judge: judge)
    }

    private func survivors(
        of bytes: [UInt8], map: DocumentMap?, judge: ([UInt8]) throws -> Void
    ) -> [String: Int] {
        var accepted: [String: Int] = [:]
        for offset in stride(from: 0, to: bytes.count, by: Self.everything ? 1 : 3) {
            for bit in Self.everything ? 0..<8 : (offset / 3 % 8)..<(offset / 3 % 8 + 1) {
                var changed = bytes
                changed[offset] ^= 1 << UInt8(bit)
                do {
                    try judge(changed)
                    accepted[map?.path(of: offset) ?? "\(offset)", default: 0] += 1
                } catch {
                    expectReason(error)
                }
            }
        }
        return accepted
    }

    /// A step of the specification, or, for a document that cannot be read, the place in it.
    private func expectReason(_ error: any Error) {
        switch error {
        case let error as VerificationError: #expect(!error.clause.isEmpty && !error.observed.isEmpty)
        case let error as SigstoreError: #expect(!error.observed.isEmpty)
        default: Issue.record("\(error)")
        }
    }

    private func expect(_ accepted: [String: Int], in document: String) throws {
        let list = try VerificationPage().rows(under: "What nothing authenticates").filter { $0[0] == document }
        #expect(!list.isEmpty)
        for (path, count) in accepted.sorted(by: { $0.key < $1.key }) {
            #expect(
                list.contains { VerificationPage.matches($0[1], path) }, "\(count) changes of \(path) went unnoticed")
        }
    }

    @Test(arguments: ["rekor1", "rekor1-tsa", "rekor2-tsa"])
    func `a byte of a bundle`(scenario: String) throws {
        let verifier = Verifier(root: try Fixture.root())
        let (artifact, identity) = (try Fixture.artifact(), try Fixture.identity())
        let accepted = try survivors(of: Fixture.bytes("\(scenario)/bundle.sigstore.json")) { bytes in
            _ = try verifier.verify(UnverifiedBundle(json: bytes), artifact: artifact, identity: identity)
        }
        try expect(accepted, in: "bundle")
    }

    /// A layer of the older format: of which image, and by whom.
    struct Layer: Sendable {
        let scenario: String
        let image: String
        var issuer = "http://127.0.0.1:47050/k8s"
        /// The folder of its instance's trusted root.
        var instance = ""
        var repositories: [String]?
    }

    @Test(arguments: [
        Layer(scenario: "legacy-sig", image: Fixture.digest),
        Layer(scenario: "legacy-att", image: LegacySignatureTests.attested),
        // by the daemon, in the lab, with a timestamp; its intermediate stands beside it, and not in the trusted root
        Layer(
            scenario: "ours-legacy",
            image: "sha256:b189a8b422a657da22bacaafc654c92d4f56c51ca5526f6e8f73be73df2a48cf",
            issuer: "http://127.0.0.1:35677/k8s", instance: "ours-legacy/",
            repositories: ["registry.example/team-3663eef8/app"]),
    ])
    func `a byte of an older signature's layer or annotations`(layer expected: Layer) throws {
        let scenario = expected.scenario
        var root = try TrustedRoot(json: Fixture.bytes("\(expected.instance)trusted_root.json"))
        let image = try ArtifactDigest(expected.image)
        let signer = Verifier.ExpectedSigner.certificate(try Fixture.identity(issuer: expected.issuer))
        let layer = try JSONValue(parsing: Fixture.bytes("\(scenario)/layer.json"))
        let payload = try Fixture.bytes("\(scenario)/payload.json")
        guard case .object(let object)? = layer["annotations"] else { throw Fixture.Missing(path: "annotations") }
        var annotations: [String: String] = [:]
        for member in object.members { annotations[member.name] = member.value.text }
        let chain = "dev.sigstore.cosign/chain"
        if !expected.instance.isEmpty {
            annotations[chain] = root.certificateAuthorities[0].intermediates.map(\.pem).joined()
            root = root.withoutIntermediates
        }
        let (verifier, offered) = (Verifier(root: root), annotations[chain])
        func judge(_ payload: [UInt8], _ annotations: [String: String]) throws {
            // anew for another chain: what is remembered of a certificate must not hide what is wrong beside it
            _ = try (annotations[chain] == offered ? verifier : Verifier(root: root)).verify(
                LegacySignature(
                    layerMediaType: layer["mediaType"]?.text ?? "", payload: payload, annotations: annotations),
                image: image, by: signer, repositories: expected.repositories)
        }
        if !expected.instance.isEmpty {
            #expect(throws: VerificationError.self) { try judge(payload, annotations.filter { $0.key != chain }) }
        }
        #expect(throws: Never.self) { try judge(payload, annotations) }
        try expect(survivors(of: payload) { try judge($0, annotations) }, in: "layer")
        for (name, text) in annotations where !text.isEmpty {
            let unnoticed = survivors(of: Array(text.utf8), map: nil) { changed in
                guard let text = String(validating: changed, as: UTF8.self) else {
                    throw SigstoreError.unsupported("text")
                }
                try judge(payload, annotations.merging([name: text]) { $1 })
            }
            try expect(unnoticed.isEmpty ? [:] : [name: unnoticed.count], in: "layer")
        }
    }

    @Test func `a byte of a bundle of ours, in two logs, and of its trusted root`() throws {
        let (artifact, identity) = (try Fixture.artifact(), try Fixture.identity(issuer: "http://127.0.0.1:43225/k8s"))
        let (root, bundle) = (
            try Fixture.bytes("ours/trusted_root.json"), try Fixture.bytes("ours/bundle.sigstore.json")
        )
        let verifier = Verifier(root: try TrustedRoot(json: root))
        func judge(_ bundle: [UInt8], _ verifier: Verifier) throws {
            _ = try verifier.verify(
                UnverifiedBundle(json: bundle), artifact: artifact, identity: identity,
                expecting: Statement.cosignSignPredicateType, repositories: ["reg.example/team/app"])
        }
        try expect(survivors(of: bundle) { try judge($0, verifier) }, in: "bundle")
        try expect(survivors(of: root) { try judge(bundle, Verifier(root: TrustedRoot(json: $0))) }, in: "trusted root")
    }

    @Test func `a byte of the trusted root`() throws {
        let (artifact, identity) = (try Fixture.artifact(), try Fixture.identity())
        let bundle = try Fixture.bundle()
        let accepted = try survivors(of: Fixture.bytes("trusted_root.json")) { bytes in
            _ = try Verifier(root: TrustedRoot(json: bytes)).verify(bundle, artifact: artifact, identity: identity)
        }
        try expect(accepted, in: "trusted root")
    }
}

extension TrustedRoot {
    /// The same with the roots alone: who signs has to bring what is between.
    fileprivate var withoutIntermediates: TrustedRoot {
        TrustedRoot(
            tlogs: tlogs, ctLogs: ctLogs,
            certificateAuthorities: certificateAuthorities.map {
                TrustedAuthority(
                    uri: $0.uri, organization: $0.organization, commonName: $0.commonName, intermediates: [],
                    root: $0.root, validity: $0.validity)
            }, timestampAuthorities: timestampAuthorities)
    }
}
