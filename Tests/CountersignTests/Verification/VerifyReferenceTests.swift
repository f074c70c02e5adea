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

    /// What a registry with a referrers API does: it goes on listing what we superseded.
    private static func relist(_ bundle: [UInt8], _ image: Manifest, _ type: String, in line: SigningLine) async throws
    {
        let referrer = BundleReferrer.render(
            bundle: bundle, subject: image.descriptor, predicateType: try PredicateType(type).uri,
            created: Date(timeIntervalSince1970: 0))
        _ = try await line.pusher.attach(referrer, bundle: bundle, to: line.repository.name)
    }

    @Test(arguments: ["openvex", "cyclonedx"])
    func `of several VEX documents the newest is told first, and the older ones are told to be superseded`(
        type: String
    ) async throws {
        let (line, image, digest) = try await Self.signed(.formats([.bundle, .legacy]))
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        let vex: (Int) -> [UInt8] = { type == "openvex" ? sampleVEX($0) : sampleCycloneDX($0, isVEX: true) }
        if type == "cyclonedx" {
            try await line.attest(sampleCycloneDX(9, isVEX: false), type, about: digest)
            try await daemon.workOff()
        }
        let others = Set(try await line.referrers(of: digest).map(\.bytes))
        try await line.attest(vex(1), type, about: digest)
        try await daemon.workOff()
        let old = try #require(try await line.referrers(of: digest).map(\.bytes).first { !others.contains($0) })
        try await line.attest(vex(2), type, about: digest)
        try await daemon.workOff()
        try await Self.relist(old, image, type, in: line)

        let report = try await line.report(type, of: digest)
        #expect(report.isVerified)
        let superseded = report.signatures.filter { $0.supersededBy != nil }
        #expect(try superseded.map { try #require($0.verified.statement).predicate["version"] } == [.integer(1)])
        // the newest in both formats, and the bill of materials in both, count
        #expect(report.signatures.count == (type == "openvex" ? 3 : 5))
        let newest = try #require(superseded.first?.supersededBy)
        let named = try #require(report.signatures.first { $0.location == newest })
        #expect(named.verified.statement?.predicate["version"] == .integer(2))

        let answer = VerificationAnswer(report)
        #expect(answer.verified && answer.signatures.last?.supersededBy == newest.description)
        #expect(answer.signatures.dropLast().allSatisfy { $0.supersededBy == nil })
        #expect(answer.text.contains("superseded by a newer document of this signer: \(newest)"))
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let json = try JSONValue(parsing: Array(try encoder.encode(answer)))
        guard case .array(let told)? = json["signatures"] else { return #expect(Bool(false), "no signatures") }
        #expect(told.map { $0["superseded_by"]?.text } == answer.signatures.map(\.supersededBy))
        let policy = try JSONValue(parsing: try PolicyOutput.document(report).dropLast())
        guard case .array(let inputs)? = policy["image"]?["signatures"] else { return #expect(Bool(false), "no input") }
        #expect(inputs.map { $0["superseded_by"]?.text } == answer.signatures.map(\.supersededBy))
    }

    @Test func `a superseded document that is still listed is signed anew when it is sent again`() async throws {
        let (line, image, digest) = try await Self.signed()
        let daemon = try await line.daemon()
        let others = try await line.referrers(of: digest).map(\.bytes)
        let first = try await line.attest(sampleVEX(1), "openvex", about: digest)
        try await daemon.workOff()
        let old = try #require(try await line.referrers(of: digest).map(\.bytes).first { !others.contains($0) })
        try await line.attest(sampleVEX(2), "openvex", about: digest)
        try await daemon.workOff()
        try await Self.relist(old, image, "openvex", in: line)
        let again = try await line.attest(sampleVEX(1), "openvex", about: digest)
        try await daemon.workOff()

        let (signed, anew) = (try await line.attestation(first).status, try await line.attestation(again).status)
        #expect(again != first && anew.state == .signed)
        #expect(try #require(anew.signature).logIndex > #require(signed.signature).logIndex)
        #expect(try await line.database.jobCount() == 0)
        // the same document twice: the older bundle is not superseded by it
        let report = try await line.report("openvex", of: digest)
        let generations = report.signatures.filter { $0.supersededBy == nil }.map {
            $0.verified.statement?.subjects[0].annotations[Statement.generationAnnotation]
        }
        #expect(generations == [nil, "1"])
    }

    @Test func `a bundle that is listed under many manifests is fetched and judged once`() async throws {
        let (line, image, digest) = try await Self.signed()
        let bundle = try #require(try await line.referrers(of: digest).first).bytes
        let junk = Array("not a bundle".utf8)
        try await line.pusher.pushBlob(line.repository.name, junk)
        try await line.list(
            (0..<8).map { number in
                BundleReferrer.render(
                    bundle: number % 2 == 0 ? bundle : junk, subject: image.descriptor,
                    predicateType: "https://example.com/\(number)", created: .now
                ).manifest
            }, beside: image)
        let place = SignaturePlace(
            registry: RegistryClient(
                try RegistryEndpoint(
                    name: SigningLine.registryName, url: line.registry.url, route: SigningLine.route),
                http: SigningLine.http), repository: line.repository)
        let before = line.registry.requests.count
        let report = try await line.report(of: digest, signatures: place)
        #expect(report.signatures.count == 4 && report.rejected.count == 4)
        #expect(Set(report.signatures.map(\.location.manifest)).count == 4)
        #expect(Set(report.rejected.map(\.location.manifest)).count == 4)
        #expect(line.registry.requests.dropFirst(before).count { $0.path.contains("/blobs/") } == 2)
    }

    @Test func `a VEX that was sent to stand beside the others supersedes none of them`() async throws {
        let (line, _, digest) = try await Self.signed()
        let daemon = try await line.daemon()
        for (version, replaces) in [(1, true), (2, false)] {
            try await line.attest(sampleVEX(version), "openvex", about: digest, replaces: replaces)
            try await daemon.workOff()
        }
        let both = try await line.report("openvex", of: digest)
        #expect(both.signatures.count == 2 && both.signatures.allSatisfy { $0.supersededBy == nil })
    }

    @Test func `a VEX that is signed again is the newest again, and bills of materials supersede nothing`() async throws
    {
        let (line, image, digest) = try await Self.signed()
        let daemon = try await line.daemon()
        var bundles: [[UInt8]] = []
        for version in [1, 2, 1] {
            let others = try await line.referrers(of: digest).map(\.bytes)
            try await line.attest(sampleVEX(version), "openvex", about: digest)
            try await daemon.workOff()
            bundles += try await line.referrers(of: digest).map(\.bytes).filter { !others.contains($0) }
        }
        #expect(bundles.count == 3)
        for bundle in bundles.prefix(2) { try await Self.relist(bundle, image, "openvex", in: line) }
        let report = try await line.report("openvex", of: digest)
        let current = report.signatures.filter { $0.supersededBy == nil }
        #expect(report.signatures.count == 3)
        #expect(
            try current.map { try #require($0.verified.statement).predicate["version"] } == [.integer(1), .integer(1)])

        for file in ["spdx-2.2.json", "spdx-2.3.json"] {
            try await line.attest(try sampleDocument(file), "spdxjson", about: digest)
            try await daemon.workOff()
        }
        let bills = try await line.report("spdxjson", of: digest).signatures
        #expect(bills.count == 2 && bills.allSatisfy { $0.supersededBy == nil })
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
