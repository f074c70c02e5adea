import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import StrictJSON
import Support
import Testing

@testable import Countersign

extension SigningLine {
    /// What our own `verify` or `verify-attestation` says, by the default daemon's identity.
    func report(
        _ type: String? = nil, of digest: OCI.Digest, signatures: SignaturePlace? = nil,
        _ change: (inout VerifyReference.Expectation) -> Void = { _ in }
    ) async throws -> VerifyReference.Report {
        var expectation = VerifyReference.Expectation(
            .certificate(
                try CertificateIdentity(
                    subjectAlternativeName: .exact(Setup().subject),
                    issuer: .exact(try await lab.endpoints.issuer(.kubernetes)))))
        if let type { expectation.predicateType = try PredicateType(type).uri }
        change(&expectation)
        return try await VerifyReference(
            registry: pusher, signatures: signatures, verifier: try await daemon().signer.trust.verifier,
            expecting: expectation
        ).verify(Reference("\(repository)@\(digest)"))
    }
}

/// Verification of references end to end, on what the line publishes.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct VerifyReferenceTests {
    private static func signed(
        _ setup: SigningLine.Setup = .init()
    ) async throws -> (SigningLine, Manifest, OCI.Digest) {
        let line = try await SigningLine()
        let image = try await line.image()
        try await line.push(image.descriptor.digest)
        try await line.daemon(setup).workOff()
        return (line, image, image.descriptor.digest)
    }

    @Test func `a signature that was copied to another repository is refused there, in both formats`() async throws {
        let (source, image, digest) = try await Self.signed(.formats([.bundle, .legacy]))
        let copy = try await SigningLine()
        try await source.copy(image, to: copy)
        for bundle in try await source.referrers(of: digest) {
            let referrer = BundleReferrer.render(
                bundle: bundle.bytes, subject: image.descriptor, predicateType: Statement.cosignSignPredicateType,
                created: Date(timeIntervalSince1970: 0))
            _ = try await copy.pusher.attach(referrer, bundle: bundle.bytes, to: copy.repository.name)
        }
        for layer in try await source.legacyLayers(of: digest) {
            let payload = try await source.pusher.blob(source.repository.name, layer.digest, limit: layer.size)
            try await copy.pusher.attach(
                LegacyLayer(mediaType: layer.mediaType, payload: payload, annotations: layer.annotations ?? [:]),
                .signature, to: digest, in: copy.repository.name)
        }
        let refused = try await copy.report(of: digest)
        #expect(!refused.isVerified)
        #expect(refused.rejected.map(\.code) == ["verify.repository", "verify.repository"])
        // a declared replica
        let replica = try await copy.report(of: digest) { $0.repositories = [source.repository.description] }
        #expect(replica.signatures.map(\.location.format) == [.bundle, .legacy])
    }

    @Test func `an SBOM is no signature, and a signature is no SBOM`() async throws {
        let (line, _, digest) = try await Self.signed()
        try await line.attest(try sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await line.daemon().workOff()
        let signatures = try await line.report(of: digest)
        #expect(signatures.signatures.count == 1 && signatures.rejected.map(\.code) == ["verify.predicate_type"])
        let documents = try await line.report("spdxjson", of: digest)
        #expect(documents.signatures.count == 1 && documents.rejected.map(\.code) == ["verify.predicate_type"])
        #expect(documents.signatures.first?.document == nil)
        #expect(try await !line.report("openvex", of: digest).isVerified)
    }

    @Test func `attestations in the older format are found under their tag`() async throws {
        let (line, _, digest) = try await Self.signed(.formats([.legacy]))
        try await line.attest(try sampleDocument("openvex-0.2.0.json"), "openvex", about: digest)
        try await line.daemon(.formats([.legacy])).workOff()
        let report = try await line.report("openvex", of: digest)
        #expect(report.signatures.map(\.location.tag) == ["sha256-\(digest.hex).att"])
        #expect(report.rejected.isEmpty)
    }

    /// Above the line's inline limit and over Rekor v1, which takes no large statement.
    @Test func `a document by reference is fetched, compared and counted as its own type`() async throws {
        let (line, _, digest) = try await Self.signed()
        let document = Self.largeDocument(bytes: 2 << 20)
        try await line.attest(document, "spdxjson", about: digest)
        try await line.daemon().workOff()
        let report = try await line.report("spdxjson", of: digest)
        let found = try #require(report.signatures.first)
        #expect(found.verified.predicateType == ReferencePredicate.type)
        #expect(found.document?.bytes == document)
        #expect(found.document?.digest == .sha256(of: document))
        #expect(VerificationAnswer(report).text.contains("\(document.count) bytes, by reference"))
        // another type does not become one by being referenced
        #expect(
            try await line.report("openvex", of: digest).rejected.map(\.code).allSatisfy {
                $0 == "verify.predicate_type"
            })
        #expect(try await !line.report("openvex", of: digest).isVerified)
        // and without its document it is a statement about nothing
        try await line.delete(.sha256(of: document), "blobs")
        let missing = try await line.report("spdxjson", of: digest)
        #expect(!missing.isVerified && missing.rejected.contains { $0.code == "verify.document_missing" })
    }

    @Test func `a large document inside its statement is read whole`() async throws {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let (line, _, digest) = try await Self.signed(setup)
        let document = Self.largeDocument(bytes: 12 << 20)
        try await line.attest(document, "spdxjson", about: digest)
        try await line.daemon(setup).workOff()
        let report = try await line.report("spdxjson", of: digest)
        let found = try #require(report.signatures.first, "\(report.rejected)")
        #expect(found.document == nil && found.verified.statement?.predicate["spdxVersion"]?.text == "SPDX-2.3")
    }

    @Test func `a reference by tag is judged by the digest that it has now`() async throws {
        let (line, _, digest) = try await Self.signed()
        let verifier = try await line.daemon().signer.trust.verifier
        let identity = try CertificateIdentity(
            subjectAlternativeName: .exact(SigningLine.Setup().subject),
            issuer: .exact(try await line.lab.endpoints.issuer(.kubernetes)))
        let verify = VerifyReference(registry: line.pusher, verifier: verifier, identity: identity)
        #expect(try await verify.verify(Reference("\(line.repository):v1")).digest == digest)
        await #expect(throws: OCIError.self) { try await verify.verify(Reference("\(line.repository):nope")) }
    }

    @Test func `a bundle in a file is judged without a registry`() async throws {
        let (line, _, digest) = try await Self.signed()
        let bundle = try #require(try await line.referrers(of: digest).first).bytes
        let folder = try TemporaryDirectory()
        try folder.write(String(decoding: bundle, as: UTF8.self), to: "bundle.json")
        try folder.write("not a bundle", to: "text")
        let path = folder.path
        let verify = VerifyBundleFile(
            verifier: try await line.daemon().signer.trust.verifier,
            by: .certificate(
                try CertificateIdentity(
                    subjectAlternativeName: .exact(SigningLine.Setup().subject),
                    issuer: .exact(try await line.lab.endpoints.issuer(.kubernetes)))))
        let good = try await verify.answer("\(path)/bundle.json", of: .digest(ArtifactDigest("\(digest)")))
        #expect(good.verified && good.signature?.identity == SigningLine.Setup().subject)
        let other = try await verify.answer("\(path)/bundle.json", of: .file("\(path)/text"))
        #expect(!other.verified && other.code == "verify.subject" && other.fix?.isEmpty == false)
        let none = try await verify.answer("\(path)/text", of: .digest(ArtifactDigest("\(digest)")))
        #expect(!none.verified && none.code == "sigstore.malformed")
        await #expect(throws: BundleFileError.self) {
            try await verify.answer("\(path)/nothing", of: .digest(ArtifactDigest("\(digest)")))
        }
    }

    /// A valid SPDX document of at least this size.
    private static func largeDocument(bytes: Int) -> [UInt8] {
        let comment = String(repeating: "x", count: 1000)
        var packages: [String] = []
        for index in 0..<(bytes / 1000) {
            packages.append(
                #"{"SPDXID":"SPDXRef-\#(index)","name":"p\#(index)","downloadLocation":"NOASSERTION","comment":"\#(comment)"}"#
            )
        }
        return Array(
            #"""
            {"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"large \#(UUID())",\#
            "documentNamespace":"https://example.com/spdx/large","creationInfo":{"created":"2026-11-24T00:00:00Z",\#
            "creators":["Tool: test"]},"packages":[\#(packages.joined(separator: ","))]}
            """#.utf8)
    }
}
