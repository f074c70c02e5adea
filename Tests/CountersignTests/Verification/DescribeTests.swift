import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// What `describe` and `tree` say of what the daemon published.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DescribeTests {
    private static func client(_ line: SigningLine) throws -> RegistryClient {
        RegistryClient(
            try RegistryEndpoint(name: SigningLine.registryName, url: line.registry.url, route: SigningLine.route),
            http: SigningLine.http)
    }

    private static func reference(_ line: SigningLine, _ digest: OCI.Digest) throws -> Reference {
        try Reference("\(line.repository)@\(digest)")
    }

    private static func signed() async throws -> (SigningLine, OCI.Digest) {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(.formats([.bundle, .legacy])).workOff()
        return (line, digest)
    }

    @Test func `a signature is described as it was made, in both formats`() async throws {
        let (line, digest) = try await Self.signed()
        let recorded = try #require(try await line.signature(of: digest))
        let report = try await DescribeReference(registry: Self.client(line)).describe(Self.reference(line, digest))
        #expect(report.digest == digest.description && report.unreadable.isEmpty)
        #expect(report.signatures.map(\.format) == ["bundle 0.3", "legacy signature"])
        for signature in report.signatures {
            let certificate = try #require(signature.certificate)
            #expect(certificate.identity == recorded.identity && certificate.oidcIssuer == recorded.issuer)
            #expect(certificate.names.map(\.kind) == ["uri"] && certificate.keyAlgorithm == "ECDSA P-256")
            #expect(certificate.extensions.map(\.name).contains("Token Subject"))
            #expect(certificate.notBefore < certificate.notAfter)
            #expect(signature.predicateType == Statement.cosignSignPredicateType)
            #expect(signature.subjects == [digest.description] && signature.subjectCount == 1)
            #expect(signature.annotations[Statement.repositoryAnnotation] == line.repository.description)
            #expect(signature.timestamps.count == 1 && signature.tlogEntries.count == 1)
            // nothing was given to judge with
            #expect(signature.verified == nil)
        }
        #expect(report.signatures.first?.tlogEntries.first?.logIndex == recorded.logIndex)
        #expect(report.signatures.first?.tlogEntries.first?.kind == "dsse 0.0.1")
        #expect(report.signatures.last?.tlogEntries.first?.kind == "hashedrekord 0.0.1")
    }

    @Test func `with a trusted root it says whether that is so, and of another instance why not`() async throws {
        let (line, digest) = try await Self.signed()
        let root = try TrustedRoot(json: try await line.lab.trustedRootJSON)
        let reference = try Self.reference(line, digest)
        let ours = try await DescribeReference(registry: Self.client(line), verifier: Verifier(root: root)).describe(
            reference)
        #expect(ours.signatures.map(\.verified) == [true, true])
        let others = try await SigningLine.withAnotherLab { lab in
            let foreign = Verifier(root: try TrustedRoot(json: try await lab.trustedRootJSON))
            return try await DescribeReference(registry: Self.client(line), verifier: foreign).describe(reference)
        }
        #expect(others.signatures.map(\.verified) == [false, false])
        #expect(others.signatures.allSatisfy { $0.refusal?.hasPrefix("step 4.") == true })
    }

    @Test func `an image without signatures has none, and a registry that does not answer is an error`() async throws {
        let line = try await SigningLine()
        let reference = try Self.reference(line, try await line.image().descriptor.digest)
        let describe = DescribeReference(registry: try Self.client(line))
        #expect(try await describe.describe(reference).signatures.isEmpty)
        line.registry.next(.answered(503), times: 99)
        await #expect(throws: OCIError.self) { try await describe.describe(reference) }
        await #expect(throws: OCIError.self) { try await ReferenceTree.read(reference, from: Self.client(line)) }
    }

    @Test func `the tree has signatures, older tags and unsigned SBOMs of both kinds`() async throws {
        let (line, digest) = try await Self.signed()
        let client = try Self.client(line)
        let subject = try await client.manifest(line.repository.name, digest).descriptor
        let sbom = try UnsignedSBOM(Array(#"{"spdxVersion":"SPDX-2.3"}"#.utf8), .spdx, .json)
        try await client.attach(sbom, underTagOf: digest, in: line.repository.name)
        let referrer = try await client.attach(sbom, to: subject, in: line.repository.name)
        // safe to repeat
        #expect(try await client.attach(sbom, to: subject, in: line.repository.name) == referrer)

        let tree = try await ReferenceTree.read(Self.reference(line, digest), from: client)
        #expect(tree.root.name == digest.description && tree.root.kind == "subject")
        #expect(
            tree.root.children.map(\.kind) == ["signature", "referrer", "tag", "tag"])
        #expect(tree.root.children[1].name == referrer.description)
        #expect(tree.root.children[1].type == UnsignedSBOM.referrerConfigType)
        #expect(tree.root.children[2].name == "sha256-\(digest.hex).sig")
        #expect(tree.root.children[2].children.map(\.kind) == ["signature"])
        #expect(tree.root.children[3].children.map(\.note) == ["not signed"])
        #expect(tree.lines.last?.contains("text/spdx+json") == true)
        #expect(tree.lines.count == 8)
    }

    @Test func `an index shows its children, and on request what hangs on them`() async throws {
        let line = try await SigningLine()
        let index = try await line.index()
        try await line.push(index.index.descriptor.digest)
        try await line.daemon(.index(.both)).workOff()
        let reference = try Self.reference(line, index.index.descriptor.digest)
        let flat = try await ReferenceTree.read(reference, from: Self.client(line))
        #expect(flat.root.children.map(\.kind) == ["signature", "child", "child", "child"])
        #expect(flat.root.children.dropFirst().map(\.note) == ["linux/amd64", "linux/arm64", "unknown/unknown"])
        let deep = try await ReferenceTree.read(reference, from: Self.client(line), deep: true)
        #expect(deep.root.children.dropFirst().map(\.children.count) == [1, 1, 0])
    }
}
