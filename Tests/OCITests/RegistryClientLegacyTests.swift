import Testing

@testable import OCI

/// Attaching legacy signatures, against a registry that plays other writers and outages.
@Suite struct RegistryClientLegacyTests {
    static let subject = RegistryClientReferrersTests.subject.digest
    static let ours = LegacyManifestTests.layer("ours", payload: "payload")

    static func tag() throws -> String { try SignatureTag.legacy(.signature, for: subject) }

    /// The `.sig` manifest of one other signature, as it would be stored.
    static func theirs() throws -> [UInt8] { try Fixture.cosign("legacy-manifest.json") }

    static func withTheirs(_ state: inout FakeRegistry.State, _ tag: String, _ manifest: [UInt8]) {
        for name in ["legacy-config.json", "legacy-payload.json"] {
            guard let bytes = try? Fixture.cosign(name) else { continue }
            state.blobs["\(Digest.sha256(of: bytes))"] = bytes
        }
        state.manifests[tag] = (manifest, MediaType.ociManifest)
    }

    @Test func `the first signature costs eight requests with its reading back`() async throws {
        let registry = try RegistryClientReferrersTests.registry()
        let client = try registry.client()
        let attached = try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        #expect(attached.tag == (try Self.tag()))
        #expect(client.requestCount == 8)
        #expect(try await client.isAttached(Self.ours, .signature, to: Self.subject, in: "app") == attached)
        #expect(try await client.legacyLayers(.signature, of: Self.subject, in: "app") == [Self.ours.descriptor])
        #expect(try await client.legacyLayers(.attestation, of: Self.subject, in: "app").isEmpty)
    }

    @Test func `attaching twice writes once`() async throws {
        let registry = try RegistryClientReferrersTests.registry()
        let client = try registry.client()
        let first = try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        let writes = registry.log.count { !$0.hasPrefix("GET") }
        #expect(try await client.attach(Self.ours, .signature, to: Self.subject, in: "app") == first)
        #expect(registry.log.count { !$0.hasPrefix("GET") } == writes)
    }

    @Test func `a signature that another writer drops is written again`() async throws {
        let (tag, theirs) = (try Self.tag(), try Self.theirs())
        let registry = try RegistryClientReferrersTests.registry { state in
            state.afterPut = { state, name in
                // a cosign that read the tag before us writes over it, once
                guard name == tag else { return }
                state.afterPut = { _, _ in }
                Self.withTheirs(&state, tag, theirs)
            }
        }
        let client = try registry.client()
        _ = try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        let layers = try await client.legacyLayers(.signature, of: Self.subject, in: "app")
        #expect(layers.count == 2 && layers.last == Self.ours.descriptor)
        #expect(registry.log.count { $0.hasSuffix("manifests/\(tag)") && $0.hasPrefix("PUT") } == 2)
    }

    @Test func `a writer that never stops is given up on, as contended`() async throws {
        let (tag, theirs) = (try Self.tag(), try Self.theirs())
        let registry = try RegistryClientReferrersTests.registry { state in
            state.afterPut = { if $1 == tag { Self.withTheirs(&$0, tag, theirs) } }
        }
        let client = try registry.client()
        await #expect {
            try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        } throws: {
            ($0 as? OCIError)?.code == "registry.legacy_tag_contended" && ($0 as? OCIError)?.isTransient == true
        }
    }

    @Test(arguments: [
        (502, "bad gateway", "registry.unavailable"), (404, "<html>not here</html>", "registry.not_found"),
        (403, "", "registry.forbidden"),
    ])
    func `a tag that could not be read is not taken for an empty one`(
        status: Int, body: String, code: String
    ) async throws {
        let tag = try Self.tag()
        let registry = try RegistryClientReferrersTests.registry { state in
            state.script = { request, _ in
                request.path.hasSuffix(tag) && request.method == "GET"
                    ? .init(status: status, body: Array(body.utf8)) : nil
            }
        }
        let client = try registry.client()
        await #expect {
            try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        } throws: { ($0 as? OCIError)?.code == code }
        #expect(registry.log.allSatisfy { $0.hasPrefix("GET") })
    }

    @Test func `somebody's image under the tag is left alone`() async throws {
        let tag = try Self.tag()
        let registry = try RegistryClientReferrersTests.registry {
            $0.manifests[tag] = (RegistryClientReferrersTests.image, MediaType.ociManifest)
        }
        let client = try registry.client()
        await #expect {
            try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        } throws: { ($0 as? OCIError)?.code == "registry.legacy_tag_not_signatures" }
        #expect(registry.log.allSatisfy { $0.hasPrefix("GET") })
    }

    @Test func `the page of a proxy under the tag is nobody's image, but no answer`() async throws {
        let tag = try Self.tag()
        let registry = try RegistryClientReferrersTests.registry {
            $0.manifests[tag] = (Array("\n<html>".utf8), "text/html")
        }
        let client = try registry.client()
        await #expect {
            _ = try await client.legacyListing(.signature, of: Self.subject, in: "app")
        } throws: { ($0 as? OCIError)?.code == "registry.unexpected_answer" }
    }

    @Test func `layers that are signatures by their annotations alone are read, and nothing is added to them`()
        async throws
    {
        let tag = try Self.tag()
        let theirs = LegacyLayer(
            mediaType: "application/json", payload: Array("theirs".utf8),
            annotations: ["dev.cosignproject.cosign/signature": "MEUC"])
        let manifest = try #require(try LegacyManifest.empty.adding(theirs, config: nil)).manifest
        let registry = try RegistryClientReferrersTests.registry {
            $0.manifests[tag] = (manifest, MediaType.ociManifest)
        }
        let client = try registry.client()
        let listing = try #require(try await client.legacyListing(.signature, of: Self.subject, in: "app"))
        #expect(listing.layers == [theirs.descriptor])
        #expect(try await client.isAttached(Self.ours, .signature, to: Self.subject, in: "app") == nil)
        for add in [
            { _ = try await client.attach(Self.ours, .signature, to: Self.subject, in: "app") },
            // asked before a signature is made
            { _ = try await client.legacyLayers(.signature, of: Self.subject, in: "app") },
        ] as [() async throws -> Void] {
            await #expect { try await add() } throws: {
                ($0 as? OCIError)?.code == "registry.legacy_tag_not_signatures"
            }
        }
        #expect(registry.log.allSatisfy { $0.hasPrefix("GET") })
    }

    @Test func `a tag or a payload that is gone is not served any more`() async throws {
        let registry = try RegistryClientReferrersTests.registry()
        let client = try registry.client()
        #expect(try await client.isAttached(Self.ours, .signature, to: Self.subject, in: "app") == nil)
        _ = try await client.attach(Self.ours, .signature, to: Self.subject, in: "app")
        registry.change { $0.blobs["\(Self.ours.descriptor.digest)"] = nil }
        #expect(try await client.isAttached(Self.ours, .signature, to: Self.subject, in: "app") == nil)
        registry.change { state in
            state.script = { request, _ in
                request.path.contains("/blobs/") ? .init(status: 404, body: Array("<html>".utf8)) : nil
            }
        }
        await #expect(throws: OCIError.self, "that a proxy does not know it says nothing of it") {
            try await client.isAttached(Self.ours, .signature, to: Self.subject, in: "app")
        }
    }
}
