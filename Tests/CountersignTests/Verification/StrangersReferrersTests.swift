import FoundationEssentials
import OCI
import Sigstore
import Support
import Testing

@testable import Countersign

/// What anybody who may push attaches beside a signature, and what stands between us and the registry: neither hides a
/// signature, nor passes for "not signed".
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct StrangersReferrersTests {
    /// A signed image, and where its signatures are, asked through the relay.
    private static func signed(
        _ setup: SigningLine.Setup = .init()
    ) async throws -> (SigningLine, Manifest, SignaturePlace) {
        let line = try await SigningLine()
        let image = try await line.image()
        try await line.push(image.descriptor.digest)
        try await line.daemon(setup).workOff()
        return (line, image, try place(line))
    }

    private static func place(_ line: SigningLine) throws -> SignaturePlace {
        let registry = RegistryClient(
            try RegistryEndpoint(name: SigningLine.registryName, url: line.registry.url, route: SigningLine.route),
            http: SigningLine.http)
        return SignaturePlace(registry: registry, repository: line.repository)
    }

    /// Artifacts that are no signatures.
    private static func others(_ count: Int) -> [[UInt8]] {
        let empty = OCI.Digest.sha256(of: Array("{}".utf8))
        return (0..<count).map { number in
            Array(
                """
                {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","artifactType":"application/x",\
                "config":{"mediaType":"\(MediaType.emptyConfig)","size":2,"digest":"\(empty)"},\
                "layers":[{"mediaType":"application/x","size":2,"digest":"\(empty)"}],\
                "annotations":{"number":"\(number)"}}
                """.utf8)
        }
    }

    @Test func `three hundred artifacts of another kind hide no signature`() async throws {
        let (line, image, _) = try await Self.signed()
        let digest = image.descriptor.digest
        let bundle = try #require(try await line.referrers(of: digest).first).bytes
        let good = BundleReferrer.render(
            bundle: bundle, subject: image.descriptor, predicateType: Statement.cosignSignPredicateType, created: .now)
        try await line.list(Self.others(300) + [good.manifest], beside: image)
        let report = try await line.report(of: digest)
        #expect(report.signatures.count == 1 && report.rejected.isEmpty)
    }

    @Test func `of manifests counts what is read, and one that is listed again is not read again`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let (place, others) = (try Self.place(line), Self.others(20))
        // said to be larger than is read of all together
        try await line.list(others + others, sized: Manifest.byteLimit, beside: image)
        let before = line.registry.requests.count
        let found = try await place.attached(to: image.descriptor.digest)
        #expect(found.others.count == 20 && found.unreadable.isEmpty)
        #expect(line.registry.requests.dropFirst(before).count { $0.path.contains("/manifests/sha256:") } == 20)

        // said to be small, and as large as may be
        try await line.list(others, sized: 1, beside: image)
        let page = "<" + String(repeating: " ", count: Manifest.byteLimit - 1)
        line.registry.next(.answered(200, body: page), times: 99) { $0.path.contains("/manifests/sha256:") }
        let large = try await place.attached(to: image.descriptor.digest)
        let readable = AttachedSignatures.manifestLimit / Manifest.byteLimit
        #expect(large.unreadable.count { $0.code == "registry.digest_mismatch" } == readable)
        #expect(large.unreadable.last?.code == "verify.unread")
    }

    /// However long its page is beside the signature.
    @Test(arguments: ["<html>", "<html>" + String(repeating: " ", count: 50_000)])
    func `what a proxy answers is neither signed nor unsigned`(page: String) async throws {
        let (line, image, place) = try await Self.signed()
        let digest = image.descriptor.digest
        for part in ["/blobs/", "/manifests/sha256:"] {
            line.registry.next(.answered(200, body: page), times: 99) { $0.path.contains(part) }
            let report = try await line.report(of: digest, signatures: place)
            #expect(!report.isVerified && report.isUndetermined)
            #expect(report.rejected.map(\.code) == ["registry.digest_mismatch"])
            #expect(VerificationAnswer(report).undetermined == true)
            #expect(VerificationAnswer(report).text.contains("\n  undetermined: "))
            line.registry.heal()
            line.registry.next(.answered(404, body: page), times: 99) { $0.path.contains(part) }
            await #expect(throws: OCIError.self) { try await line.report(of: digest, signatures: place) }
            line.registry.heal()
        }
        for tag in [".sig", "/manifests/sha256-\(digest.hex)"] {
            line.registry.next(.answered(200, body: page), times: 99) { $0.path.hasSuffix(tag) }
            await #expect(throws: OCIError.self) { try await line.report(of: digest, signatures: place) }
            line.registry.heal()
        }
        let report = try await line.report(of: digest, signatures: place)
        #expect(report.isVerified && !report.isUndetermined && VerificationAnswer(report).undetermined == nil)
    }

    @Test func `a document under the older tag is fetched once, and none that is larger than documents are`()
        async throws
    {
        let (line, image, place) = try await Self.signed(.formats([.legacy]))
        let digest = image.descriptor.digest
        let layer = try #require(try await line.legacyLayers(of: digest).first)
        let document = try await line.pusher.blob(line.repository.name, layer.digest, limit: layer.size)
        for payload in [document, Array(repeating: 0x20, count: SimpleSigningPayload.maxBytes + 1)] {
            try await line.pusher.attach(
                LegacyLayer(
                    mediaType: layer.mediaType, payload: payload,
                    annotations: ["dev.cosignproject.cosign/signature": "MEUC"]),
                .signature, to: digest, in: line.repository.name)
        }
        let before = line.registry.requests.count
        let report = try await line.report(of: digest, signatures: place)
        #expect(report.signatures.count == 1 && report.rejected.contains { $0.code == "manifest.too_large" })
        #expect(line.registry.requests.dropFirst(before).count { $0.path.contains("/blobs/") } == 1)
    }

    @Test func `what the budget does not reach is unread`() async throws {
        let (line, image, place) = try await Self.signed()
        let one = try #require(try await place.attached(to: image.descriptor.digest).signatures.first)
        var reading = SignatureReading(place, limit: one.layer.size, allowance: 0)
        _ = try await reading.fetch(one).get()
        guard case .failure(let rejection) = try await reading.fetch(one) else {
            return #expect(Bool(false), "it was read")
        }
        #expect(rejection.code == "verify.unread" && rejection.isUndetermined)
        #expect(
            line.registry.requests.count { $0.path.contains("/blobs/\(one.layer.digest)") && $0.method == "GET" } > 0)

        line.registry.next(.answered(200, body: "<html>"), times: 1) { $0.path.contains("/blobs/") }
        var broken = SignatureReading(place, limit: one.layer.size, allowance: 0)
        var codes: [String] = []
        for _ in 0..<2 {
            if case .failure(let rejection) = try await broken.fetch(one) { codes.append(rejection.code) }
        }
        #expect(
            codes == ["registry.digest_mismatch", "verify.unread"],
            "of one that failed counts all that it is said to have")

        try await line.delete(one.layer.digest, "blobs")
        var missing = SignatureReading(place, limit: one.layer.size, allowance: 0)
        for _ in 0..<2 {
            guard case .failure(let rejection) = try await missing.fetch(one) else {
                return #expect(Bool(false), "it was read")
            }
            #expect(rejection.code == "verify.missing", "nothing was sent for one that is not there")
        }
    }
}
