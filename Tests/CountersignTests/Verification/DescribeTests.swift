import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import StrictJSON
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
        let ours = try await DescribeReference(
            registry: Self.client(line), judge: SignatureJudge(Verifier(root: root))
        ).describe(reference)
        #expect(ours.signatures.map(\.verified) == [true, true])
        let others = try await SigningLine.withAnotherLab { lab in
            let foreign = Verifier(root: try TrustedRoot(json: try await lab.trustedRootJSON))
            return try await DescribeReference(
                registry: Self.client(line), judge: SignatureJudge(foreign)
            ).describe(reference)
        }
        #expect(others.signatures.map(\.verified) == [false, false])
        #expect(others.signatures.allSatisfy { $0.refusal?.hasPrefix("step 4.") == true })
    }

    @Test func `a key's signature is judged by that key, and without it not at all`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        let key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        setup.key = key
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        let verifier = Verifier(root: try TrustedRoot(json: try await line.lab.trustedRootJSON))
        func describe(_ judge: SignatureJudge) async throws -> [SignatureDescription] {
            try await DescribeReference(registry: Self.client(line), judge: judge)
                .describe(Self.reference(line, digest)).signatures
        }
        let unknown = try await describe(SignatureJudge(verifier))
        #expect(unknown.map(\.verified) == [nil, nil])
        #expect(unknown.allSatisfy { $0.refusal == "made with a key, and no key is known" })
        #expect(try await describe(SignatureJudge(verifier, key: key.publicKey)).map(\.verified) == [true, true])
        let other = try PrivateKey.generate(.ecdsaP256).publicKey
        #expect(try await describe(SignatureJudge(verifier, key: other)).map(\.verified) == [false, false])
    }

    @Test func `signatures that are kept apart are described, shown and located there`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        let apart = try Repository(registry: SigningLine.registryName, name: line.repository.name + "-signatures")
        setup.signatureRepository = "\(apart)"
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        let (client, reference) = (try Self.client(line), try Self.reference(line, digest))
        let place = SignaturePlace(registry: client, repository: apart)

        #expect(try await DescribeReference(registry: client).describe(reference).signatures.isEmpty)
        let report = try await DescribeReference(registry: client, place: place).describe(reference)
        #expect(report.signatures.count == 2 && report.signatureRepository == "\(apart)")

        let beside = try await ReferenceTree.read(reference, from: client)
        #expect(beside.root.children.isEmpty)
        let tree = try await ReferenceTree.read(reference, from: client, signatures: place)
        #expect(tree.root.children.map(\.kind) == ["repository"] && tree.root.children[0].name == "\(apart)")
        #expect(tree.root.children[0].children.map(\.kind) == ["signature", "tag"])
        // the image's own repository is no other place
        let own = SignaturePlace(registry: client, repository: line.repository)
        #expect(try await ReferenceTree.read(reference, from: client, signatures: own).root.children.isEmpty)

        let there = try await SignatureWhereabouts.find(reference, .signature, in: client, signatures: place)
        #expect(there.tag == "\(apart):sha256-\(digest.hex).sig" && there.bundles.contains("\(apart)"))
        let here = try await SignatureWhereabouts.find(reference, .attestation, in: client)
        #expect(here.tag == "\(line.repository):sha256-\(digest.hex).att" && !here.bundles.contains("\(apart)"))
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

    @Test func `small signatures are read first, and what was not read leaves open what it may decide`() async throws {
        let (line, digest) = try await Self.signed()
        let reference = try Self.reference(line, digest)
        let subject = try await line.pusher.manifest(line.repository.name, digest).descriptor
        let judge = SignatureJudge(Verifier(root: try TrustedRoot(json: try await line.lab.trustedRootJSON)))
        let large = Array(repeating: UInt8(ascii: "x"), count: 1 << 18)
        let referrer = BundleReferrer.render(
            bundle: large, subject: subject, predicateType: Statement.cosignSignPredicateType, created: .now)
        _ = try await line.pusher.attach(referrer, bundle: large, to: line.repository.name)
        let isOfLarge = { @Sendable (request: FaultRelay.Request) in
            request.path.hasSuffix("/blobs/\(referrer.bundle.digest)")
        }

        let before = line.registry.requests.count
        let report = try await DescribeReference(registry: Self.client(line), judge: judge).describe(reference)
        #expect(report.signatures.map(\.format) == ["bundle 0.3", "legacy signature"], "in the registry's order")
        #expect(report.unreadable.map(\.code) == ["sigstore.malformed"] && report.undetermined == nil)
        #expect(line.registry.requests.dropFirst(before).last { $0.path.contains("/blobs/") }.map(isOfLarge) == true)

        line.registry.next(.answered(200, body: "<html>"), times: 99, where: isOfLarge)
        // there is a signature, whatever else there is; that all verify is not known
        #expect(try await DescribeReference(registry: Self.client(line)).describe(reference).undetermined == nil)
        let undecided = try await DescribeReference(registry: Self.client(line), judge: judge).describe(reference)
        #expect(undecided.signatures.map(\.verified) == [true, true] && undecided.undetermined == true)
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

/// What a description says where something cannot be read, or is large.
@Suite struct DescriptionTests {
    private static func certificate(_ extensions: [CertificateTemplate.Extension]) throws -> Certificate {
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = CertificateTemplate(notBefore: .now, notAfter: .now.addingTimeInterval(600))
        template.subject = DistinguishedName(commonName: "test")
        template.extensions = extensions
        return try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
    }

    private static func bundle(
        _ payload: [UInt8], _ material: UnverifiedBundle.Material = .publicKey(hint: "h"), timestamps: [[UInt8]] = []
    ) -> SignatureDescription {
        let envelope = Envelope(
            payload: payload, payloadType: Statement.payloadType, signatures: [.init(sig: [1, 2, 3])])
        return SignatureDescription(
            .bundle(UnverifiedBundle(.envelope(envelope), material, [], timestamps: timestamps)), at: "here")
    }

    @Test func `one extension that cannot be read hides no other, and an unknown one is listed by its number`() throws {
        let unknown = "1.3.6.1.4.1.57264.1.99"
        let described = CertificateDescription(
            try Self.certificate([
                .init(oid: unknown, value: DER.utf8String("new")),
                .init(oid: "1.3.6.1.4.1.57264.9", value: [0xFF, 0x00]),
                .init(oid: "1.2.3.4", value: [0x05, 0x00]),
                .init(oid: FulcioExtension.Kind.tokenSubject.oid, value: [0x0C, 0x05, 0x41]),
                .init(oid: FulcioExtension.Kind.issuerV2.oid, value: DER.utf8String("https://issuer.example.com")),
            ])
        ).extensions
        #expect(described.map(\.name) == ["Issuer (V2)", "Token Subject", nil, nil])
        #expect(described.map(\.value) == ["https://issuer.example.com", nil, "new", "0xff00"])
        #expect(described.map { $0.problem == nil } == [true, false, true, true])
        #expect(described[1].problem?.contains("is not text") == true)
        #expect(described[2].oid == unknown)
    }

    @Test func `a large and deep statement says what it is about`() throws {
        var predicate = JSONValue.string(String(repeating: "x", count: 9 << 20))
        for _ in 0..<40 { predicate = .array([predicate]) }
        let statement = Statement(
            subjects: [.init(digest: ["sha256": String(repeating: "ab", count: 32)])],
            predicateType: "https://spdx.dev/Document", predicate: .object(["deep": predicate]))
        let described = Self.bundle(statement.encoded())
        #expect(described.predicateType == "https://spdx.dev/Document" && described.problems.isEmpty)
        #expect(described.subjects == ["sha256:" + String(repeating: "ab", count: 32)])
    }

    @Test func `what cannot be read is said`() throws {
        let described = Self.bundle(Array("{}".utf8), .certificate([1, 2]), timestamps: [[9]])
        #expect(described.predicateType == nil && described.certificate == nil && described.timestamps.isEmpty)
        #expect(described.problems.map { $0.prefix { $0 != ":" } } == ["certificate", "statement", "timestamp"])
        let legacy = try LegacySignature(
            layerMediaType: SimpleSigningPayload.layerMediaType, payload: Array("{}".utf8),
            annotations: ["dev.cosignproject.cosign/signature": "AQID"])
        let older = SignatureDescription(.legacy(legacy), at: "there")
        #expect(older.format == "legacy signature" && older.predicateType == nil)
        #expect(older.problems.count == 1 && older.problems[0].hasPrefix("document: "))
    }
}
