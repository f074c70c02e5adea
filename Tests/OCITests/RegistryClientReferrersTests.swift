import Curl
import FoundationEssentials
import OCI
import Testing

/// Attaching and finding bundles, against a registry that plays the known ones' habits.
@Suite struct RegistryClientReferrersTests {
    static let bundle = Array(#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#.utf8)
    static let image = ManifestTests.image()
    static let subject = Descriptor(mediaType: MediaType.ociManifest, digest: .sha256(of: image), size: image.count)
    static let tag = SignatureTag.fallback(for: subject.digest)

    static func registry(_ configure: @escaping @Sendable (inout FakeRegistry.State) -> Void = { _ in }) throws
        -> FakeRegistry
    {
        try FakeRegistry {
            $0.manifests["\(subject.digest)"] = (image, MediaType.ociManifest)
            configure(&$0)
        }
    }

    static func referrer(_ bundle: [UInt8] = bundle) -> BundleReferrer {
        BundleReferrer.render(
            bundle: bundle, subject: subject, predicateType: BundleReferrerTests.signPredicate,
            created: .init(timeIntervalSince1970: 1_795_461_596))
    }

    @Test func `without referrers API a signature costs eight requests after the first`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        for number in 1...2 {
            let before = client.requestCount
            let bundle = Self.bundle + [UInt8](repeating: 0x20, count: number)
            let image = try await client.manifest("app", Self.subject.digest)
            #expect(image.descriptor == Self.subject)
            let attachment = try await client.attach(Self.referrer(bundle), bundle: bundle, to: "app")
            #expect(attachment.listing == .fallbackTag(Self.tag))
            #expect(try await client.readBack(attachment, from: "app") == bundle)
            // the first also pushes the empty config and learns that there is no API
            #expect(client.requestCount - before == (number == 1 ? 11 : 8))
        }
        #expect(try await client.referrers("app", of: Self.subject.digest).descriptors.count == 2)
        #expect(client.requestCounts[.referrersGet] == 1)
    }

    @Test func `with referrers API no fallback tag is written`() async throws {
        let registry = try Self.registry {
            $0.referrersAPI = true
            $0.sendsSubjectField = true
        }
        let client = try registry.client()
        let attachment = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        #expect(attachment.listing == .referrersAPI)
        #expect(try await client.readBack(attachment, from: "app") == Self.bundle)
        #expect(registry.change { $0.manifests[Self.tag] == nil })
        #expect(client.requestCount == 7)
    }

    @Test func `attaching twice changes nothing`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let first = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        let index = registry.change { $0.manifests[Self.tag]?.bytes }
        #expect(try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app") == first)
        #expect(registry.change { $0.manifests[Self.tag]?.bytes } == index)
        #expect(client.requestCounts[.fallbackPut] == 1)
    }

    @Test func `a forgotten empty blob is pushed again`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        _ = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        registry.change { $0.blobs.removeAll() }
        let other = Self.bundle + [0x0A]
        let attachment = try await client.attach(Self.referrer(other), bundle: other, to: "app")
        #expect(try await client.readBack(attachment, from: "app") == other)
        #expect(client.requestCounts[.manifestPut] == 3)
    }

    @Test func `a blob that stays unknown is an error, not a loop`() async throws {
        let registry = try Self.registry {
            $0.script = { request, _ in
                request.method == "PUT" && request.path.contains("/manifests/sha256:")
                    ? FakeRegistry.error(404, "MANIFEST_BLOB_UNKNOWN") : nil
            }
        }
        let client = try registry.client()
        await #expect { try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app") } throws: {
            ($0 as? OCIError)?.code == "registry.blob_unknown"
        }
        #expect(client.requestCounts[.manifestPut] == 2)
    }

    @Test func `foreign entries stay, and ours is found beside them`() async throws {
        let registry = try Self.registry {
            $0.manifests[Self.tag] = (ManifestTests.index([FallbackIndexTests.foreign]), MediaType.ociIndex)
        }
        let client = try registry.client()
        _ = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        let index = String(decoding: registry.change { $0.manifests[Self.tag]?.bytes ?? [] }, as: UTF8.self)
        #expect(index.contains(FallbackIndexTests.foreign))
        let found = try await client.bundles("app", of: Self.subject.digest)
        #expect(found.bundles.map(\.digest) == [.sha256(of: Self.bundle)])
        #expect(found.missing.count == 1)
    }

    @Test func `an update lost to another writer is made again`() async throws {
        let registry = try Self.registry {
            // the first write of the tag is replaced at once by someone who read before us
            $0.afterPut = { state, name in
                guard name == Self.tag else { return }
                state.manifests[Self.tag] = (ManifestTests.index([FallbackIndexTests.foreign]), MediaType.ociIndex)
                state.afterPut = { _, _ in }
            }
        }
        let client = try registry.client()
        _ = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        let listed = try await client.referrers("app", of: Self.subject.digest).descriptors
        #expect(listed.count == 2)
        #expect(listed.contains { $0.digest == Self.referrer().descriptor.digest })
        #expect(client.requestCounts[.fallbackPut] == 2)
    }

    @Test func `a tag that is always replaced ends as contended`() async throws {
        let registry = try Self.registry {
            $0.afterPut = { state, name in
                if name == Self.tag { state.manifests[Self.tag] = (ManifestTests.index([]), MediaType.ociIndex) }
            }
        }
        let client = try registry.client()
        await #expect { try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app") } throws: {
            ($0 as? OCIError)?.code == "registry.fallback_contended" && ($0 as? OCIError)?.isTransient == true
        }
        #expect(client.requestCounts[.fallbackPut] == 5)
    }

    /// distribution refuses an index that lists a manifest it does not have.
    @Test func `a deleted referrer that is still listed keeps ours neither out nor in`() async throws {
        let registry = try Self.registry { $0.checksIndexes = true }
        let client = try registry.client()
        let theirs = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        let other = Self.bundle + [0x0A]
        func listed() async throws -> [Digest] {
            try await client.referrers("app", of: Self.subject.digest).descriptors.map(\.digest)
        }
        registry.change { _ = $0.manifests.removeValue(forKey: "\(theirs)") }
        let ours = try await client.attach(Self.referrer(other), bundle: other, to: "app").manifest.digest
        #expect(try await listed() == [ours])

        _ = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        registry.change { _ = $0.manifests.removeValue(forKey: "\(theirs)") }
        #expect(try await client.dropFromFallbackIndex("app", subject: Self.subject.digest, referrers: [ours]))
        #expect(try await listed().isEmpty)
    }

    @Test func `what is out of the index after the last write is out`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let ours = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        let index = try #require(registry.change { $0.manifests[Self.tag]?.bytes })
        // four times somebody writes back what he had read before us
        registry.change { state in
            state.afterPut = { state, name in
                let puts = state.log.count { $0.method == "PUT" && $0.path.hasSuffix(Self.tag) }
                if name == Self.tag, puts < 6 { state.manifests[Self.tag] = (index, MediaType.ociIndex) }
            }
        }
        #expect(try await client.dropFromFallbackIndex("app", subject: Self.subject.digest, referrers: [ours]))
        #expect(client.requestCounts[.fallbackPut] == 6)
    }

    @Test func `a conditional write that fails is repeated on the new content`() async throws {
        let registry = try Self.registry {
            $0.manifests[Self.tag] = (ManifestTests.index([FallbackIndexTests.foreign]), MediaType.ociIndex)
            $0.script = { request, number in
                request.method == "PUT" && request.path.hasSuffix(Self.tag) && number == 1
                    && request.headers["if-match"] != nil
                    ? .init(status: 412) : nil
            }
        }
        let client = try registry.client()
        _ = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        #expect(client.requestCounts[.fallbackPut] == 2)
    }

    @Test(arguments: [
        (image, MediaType.ociManifest, "registry.fallback_not_an_index"),
        (Array("{}".utf8), "text/html", "registry.fallback_not_an_index"),
        // the page of a proxy
        (Array("<html>".utf8), "text/html", "registry.unexpected_answer"),
        (
            ManifestTests.index([], mediaType: MediaType.dockerManifestList), MediaType.dockerManifestList,
            "registry.fallback_not_an_index"
        ),
    ])
    func `what is no index under the tag is never overwritten`(
        bytes: [UInt8], type: String, code: String
    ) async throws {
        let registry = try Self.registry { $0.manifests[Self.tag] = (bytes, type) }
        let client = try registry.client()
        await #expect { try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app") } throws: {
            ($0 as? OCIError)?.code == code
        }
        #expect(registry.change { $0.manifests[Self.tag]?.bytes } == bytes)
        #expect(client.requestCounts[.fallbackPut] == nil)
    }

    @Test(arguments: [500, 503, 429, 403, 400]) func `a listing that failed is not an empty one`(status: Int)
        async throws
    {
        let registry = try Self.registry {
            $0.script = { request, _ in request.path.contains("/referrers/") ? .init(status: status) : nil }
        }
        let client = try registry.client()
        await #expect { try await client.referrers("app", of: Self.subject.digest) } throws: {
            ($0 as? OCIError)?.status == status
        }
        #expect(registry.log.count == 1)
    }

    @Test func `a failed fallback read is not an empty index`() async throws {
        let registry = try Self.registry {
            $0.script = { request, _ in request.path.hasSuffix(Self.tag) ? .init(status: 500) : nil }
        }
        let client = try registry.client()
        await #expect { try await client.referrers("app", of: Self.subject.digest) } throws: {
            ($0 as? OCIError)?.code == "registry.unavailable"
        }
        await #expect { try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app") } throws: {
            ($0 as? OCIError)?.code == "registry.unavailable"
        }
        #expect(registry.change { $0.manifests[Self.tag] == nil })
    }

    /// Of the proxy before the registry, which has lost its route; writes go through.
    @Test func `a proxy's 404 page is not an empty index`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let attached = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        let index = registry.change { $0.manifests[Self.tag]?.bytes }
        registry.change { state in
            state.script = { request, _ in
                request.method == "GET" && request.path.hasSuffix(Self.tag)
                    ? .init(status: 404, headers: [("Content-Type", "text/html")], body: Array("<html>".utf8)) : nil
            }
        }
        let other = Self.bundle + [0x0A]
        func code(_ body: () async throws -> Void) async -> String? {
            do {
                try await body()
                return nil
            } catch {
                return (error as? OCIError)?.code
            }
        }
        let codes = [
            await code { _ = try await client.referrers("app", of: Self.subject.digest) },
            await code { _ = try await client.attach(Self.referrer(other), bundle: other, to: "app") },
            await code {
                _ = try await client.dropFromFallbackIndex("app", subject: Self.subject.digest, referrers: [attached])
            },
        ]
        #expect(codes == Array(repeating: "registry.not_found", count: 3))
        #expect(registry.change { $0.manifests[Self.tag]?.bytes } == index)
        // an empty body is a registry's way to say it
        registry.change { $0.script = { request, _ in request.path.hasSuffix(Self.tag) ? .init(status: 404) : nil } }
        #expect(try await client.referrers("app", of: Self.subject.digest) == .fallback(index: [], exists: false))
    }

    @Test func `a referrer is not taken for deleted by a proxy's 404 page`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let listed = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        let index = registry.change { $0.manifests[Self.tag]?.bytes }
        registry.change { state in
            state.script = { request, _ in
                switch (request.method, request.path) {
                case ("GET", let path) where path.hasSuffix("\(listed)"):
                    .init(status: 404, body: Array("<html>".utf8))
                case ("PUT", let path) where path.hasSuffix(Self.tag): FakeRegistry.error(404, "MANIFEST_BLOB_UNKNOWN")
                default: nil
                }
            }
        }
        let other = Self.bundle + [0x0A]
        await #expect { try await client.attach(Self.referrer(other), bundle: other, to: "app") } throws: {
            ($0 as? OCIError)?.code == "registry.not_found"
        }
        #expect(registry.change { $0.manifests[Self.tag]?.bytes } == index)
        await #expect(throws: OCIError.self) { try await client.bundles("app", of: Self.subject.digest) }
    }

    /// Anybody who may push can list as many as the registry takes.
    @Test func `one bundle under many referrers is one, and none of its bytes are fetched to list it`() async throws {
        let bundle = [UInt8](repeating: 0x20, count: 4 << 20)
        let registry = try Self.registry { state in
            state.referrersAPI = true
            state.blobs["\(Digest.sha256(of: bundle))"] = bundle
            for number in 0..<256 {
                let manifest = BundleReferrer.render(
                    bundle: bundle, subject: Self.subject, predicateType: "\(number)",
                    created: .init(timeIntervalSince1970: 0))
                state.manifests["\(manifest.descriptor.digest)"] = (manifest.manifest, MediaType.ociManifest)
            }
        }
        let client = try registry.client()
        let found = try await client.bundles("app", of: Self.subject.digest)
        #expect(found.bundles.map(\.digest) == [.sha256(of: bundle)])
        #expect(found.bundles.first?.carriers.count == 256)
        #expect(found.bundles.first?.size(upTo: 8 << 20) == bundle.count)
        #expect(found.bundles.first?.size(upTo: 1 << 20) == nil)
        #expect(client.requestCounts[.blobGet] == nil)
    }

    @Test func `a referrer with a digest that we cannot compute is told, and spoils nothing else`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let ours = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest
        let strange = ManifestTests.image(layers: [ManifestTests.layer().replacing("sha256:", with: "blake3:")])
        let listed = Descriptor(
            mediaType: MediaType.ociManifest, digest: .sha256(of: strange), size: strange.count)
        registry.change { $0.manifests["\(listed.digest)"] = (strange, MediaType.ociManifest) }
        try await client.addToFallbackIndex("app", subject: Self.subject.digest, entry: listed)
        let found = try await client.bundles("app", of: Self.subject.digest)
        #expect(found.bundles.flatMap(\.carriers).map(\.manifest.digest) == [ours.digest])
        #expect(found.unreadable.map(\.code) == ["manifest.malformed"])
        #expect(found.unreadable.first?.observed.contains("manifest.layers[0].digest") == true)
    }

    @Test func `an entry of a listing with a digest that we cannot compute is passed over`() async throws {
        let strange = FallbackIndexTests.foreign.replacing("sha256:", with: "blake3:")
        let registry = try Self.registry { state in
            state.script = { request, _ in
                request.path.contains("/referrers/")
                    ? .init(
                        headers: [("Content-Type", MediaType.ociIndex)],
                        body: ManifestTests.index([strange, FallbackIndexTests.foreign])) : nil
            }
        }
        let listed = try await registry.client().referrers("app", of: Self.subject.digest)
        #expect(listed.descriptors.count == 1)
        // not a digest at all is a registry that is not to be understood
        registry.change { state in
            state.script = { request, _ in
                request.path.contains("/referrers/")
                    ? .init(
                        headers: [("Content-Type", MediaType.ociIndex)],
                        body: ManifestTests.index([strange.replacing("blake3:", with: "sha256:Z")])) : nil
            }
        }
        await #expect(throws: OCIError.self) { try await registry.client().referrers("app", of: Self.subject.digest) }
    }

    @Test func `no such tag is an answer`() async throws {
        let registry = try Self.registry()
        #expect(
            try await registry.client().referrers("app", of: Self.subject.digest) == .fallback(index: [], exists: false)
        )
    }

    @Test func `the absence of the API is asked again after its time`() async throws {
        let registry = try Self.registry()
        let client = try registry.client(referrersMemory: .zero)
        for _ in 0..<2 { _ = try await client.referrers("app", of: Self.subject.digest) }
        #expect(client.requestCounts[.referrersGet] == 2)
    }

    /// Of an ingress that has lost a route for a moment.
    @Test func `another's 404 page does not hide an API that has answered`() async throws {
        let registry = try Self.registry { $0.referrersAPI = true }
        let client = try registry.client()
        let attached = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        registry.change { state in
            state.script = { request, _ in
                request.path.contains("/referrers/") ? .init(status: 404, body: Array("<html>".utf8)) : nil
            }
        }
        await #expect { try await client.referrers("app", of: Self.subject.digest) } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
        await #expect(throws: OCIError.self) {
            try await client.dropFromFallbackIndex("app", subject: Self.subject.digest, referrers: [attached])
        }
        registry.change { $0.script = { _, _ in nil } }
        #expect(try await client.referrers("app", of: Self.subject.digest).descriptors.map(\.digest) == [attached])
        #expect(
            try await !client.dropFromFallbackIndex("app", subject: Self.subject.digest, referrers: [attached]),
            "it is listed still")
        #expect(registry.change { $0.manifests[Self.tag] == nil })
    }

    @Test func `an API that was taken away is believed to be gone once that lasts`() async throws {
        let registry = try Self.registry { $0.referrersAPI = true }
        let client = try registry.client(referrersMemory: .zero)
        #expect(try await client.referrers("app", of: Self.subject.digest) == .api([]))
        registry.change { $0.referrersAPI = false }
        await #expect(throws: OCIError.self) { try await client.referrers("app", of: Self.subject.digest) }
        #expect(try await client.referrers("app", of: Self.subject.digest) == .fallback(index: [], exists: false))
    }

    @Test func `a registry that gains the API is noticed by its OCI-Subject`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        _ = try await client.referrers("app", of: Self.subject.digest)
        registry.change {
            $0.referrersAPI = true
            $0.sendsSubjectField = true
        }
        #expect(try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").listing == .referrersAPI)
    }

    @Test func `OCI-Subject without the API is not believed, and asked about once`() async throws {
        let registry = try Self.registry { $0.sendsSubjectField = true }
        let client = try registry.client()
        for number in 0..<3 as Range<UInt8> {
            let bundle = Self.bundle + [number]
            #expect(
                try await client.attach(Self.referrer(bundle), bundle: bundle, to: "app").listing
                    == .fallbackTag(Self.tag))
        }
        #expect(client.requestCounts[.referrersGet] == 1)
    }

    /// The second code is Harbor's.
    @Test(arguments: ["NAME_UNKNOWN", "NOT_FOUND"])
    func `an unknown repository does not hide the API for later`(code: String) async throws {
        let registry = try Self.registry {
            $0.referrersAPI = true
            $0.script = { request, _ in
                request.path.hasPrefix("/v2/new/referrers") ? FakeRegistry.error(404, code) : nil
            }
        }
        let client = try registry.client()
        #expect(try await client.referrers("new", of: Self.subject.digest) == .fallback(index: [], exists: false))
        #expect(try await client.referrers("app", of: Self.subject.digest) == .api([]))
    }

    @Test func `an acknowledged referrer that is not listed yet is transient`() async throws {
        let registry = try Self.registry {
            $0.referrersAPI = true
            $0.sendsSubjectField = true
            $0.script = { request, _ in
                request.path.contains("/referrers/")
                    ? .init(headers: [("Content-Type", MediaType.ociIndex)], body: ManifestTests.index([])) : nil
            }
        }
        await #expect { try await registry.client().attach(Self.referrer(), bundle: Self.bundle, to: "app") } throws: {
            ($0 as? OCIError)?.code == "registry.referrer_not_listed" && ($0 as? OCIError)?.isTransient == true
        }
    }

    @Test func `pages are followed, on this registry only, and not for ever`() async throws {
        let registry = try Self.registry {
            $0.script = { request, number in
                guard request.path.contains("/referrers/") else { return nil }
                let next = number < 3 ? [("Link", #"<\#(request.path)?last=\#(number)>; rel="next""#)] : []
                let entry = FallbackIndexTests.foreign.replacing("9868e06d", with: "0000000\(number)")
                return .init(headers: [("Content-Type", MediaType.ociIndex)] + next, body: ManifestTests.index([entry]))
            }
        }
        #expect(try await registry.client().referrers("app", of: Self.subject.digest).descriptors.count == 3)
        for link in [
            #"</v2/app/referrers/x?again>; rel="next""#, #"<https://evil.example/>; rel="next""#,
            #"<//evil.example/>; rel="next""#,
        ] {
            registry.change { state in
                state.script = { request, _ in
                    request.path.contains("/referrers/")
                        ? .init(
                            headers: [("Content-Type", MediaType.ociIndex), ("Link", link)],
                            body: ManifestTests.index([])) : nil
                }
            }
            await #expect(throws: OCIError.self) {
                try await registry.client().referrers("app", of: Self.subject.digest)
            }
        }
    }

    @Test func `a listing that does not go on says nothing about the image`() async throws {
        let unknown = Array(#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#.utf8)
        let registry = try Self.registry {
            $0.script = { request, number in
                guard request.path.contains("/referrers/") else { return nil }
                guard number == 1 else { return .init(status: 404, body: unknown) }
                let link = ("Link", #"<\#(request.path)?last=1>; rel="next""#)
                return .init(headers: [("Content-Type", MediaType.ociIndex), link], body: ManifestTests.index([]))
            }
        }
        await #expect { try await registry.client().referrers("app", of: Self.subject.digest) } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
    }

    /// A server may give less of a range than was asked for (RFC 9110 section 15.3.7).
    @Test func `a blob is read on where a part of it ended early`() async throws {
        let blob = Array("what was published".utf8)
        let registry = try Self.registry {
            $0.script = { request, number in
                guard request.path.contains("/blobs/") else { return nil }
                let start = (number - 1) * 7
                return .init(status: 206, body: Array(blob[min(start, blob.count)..<min(start + 7, blob.count)]))
            }
        }
        try await registry.client().verifyBlob("app", .sha256(of: blob), size: blob.count)
        // one that ends before its size is another; the fourth request of the blob is the first of this look
        registry.change { state in
            state.script = { request, number in
                request.path.contains("/blobs/")
                    ? .init(status: 206, body: number == 4 ? Array(blob.prefix(7)) : []) : nil
            }
        }
        await #expect { try await registry.client().verifyBlob("app", .sha256(of: blob), size: blob.count) } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
    }

    @Test func `a listing that is HTML with status 200 is an error`() async throws {
        let registry = try Self.registry {
            $0.script = { request, _ in
                request.path.contains("/referrers/")
                    ? .init(headers: [("Content-Type", "text/html")], body: Array("<html>".utf8)) : nil
            }
        }
        await #expect(throws: OCIError.self) { try await registry.client().referrers("app", of: Self.subject.digest) }
    }

    @Test func `a bundle other than the one rendered is refused before anything is pushed`() async throws {
        let registry = try Self.registry()
        await #expect(throws: OCIError.self) {
            try await registry.client().attach(Self.referrer(), bundle: [1], to: "app")
        }
        #expect(registry.log.isEmpty)
    }

    @Test func `a referrer that vanished is not attached`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let attachment = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app")
        #expect(try await client.isAttached(attachment.manifest.digest, to: Self.subject.digest, in: "app"))
        registry.change { _ = $0.manifests.removeValue(forKey: "\(attachment.manifest.digest)") }
        #expect(try await !client.isAttached(attachment.manifest.digest, to: Self.subject.digest, in: "app"))
        // that a proxy does not know it says nothing of it
        registry.change { state in
            state.script = { request, _ in
                request.path.hasSuffix("\(attachment.manifest.digest)")
                    ? .init(status: 404, body: Array("<html>".utf8)) : nil
            }
        }
        await #expect(throws: OCIError.self) {
            try await client.isAttached(attachment.manifest.digest, to: Self.subject.digest, in: "app")
        }
    }

    @Test func `other bytes than a referrer's digest are no referrer that somebody listed`() async throws {
        let registry = try Self.registry()
        let client = try registry.client()
        let attached = try await client.attach(Self.referrer(), bundle: Self.bundle, to: "app").manifest.digest
        registry.change { $0.manifests["\(attached)"] = (Self.image, MediaType.ociManifest) }
        await #expect { try await client.bundles("app", of: Self.subject.digest) } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
    }
}
