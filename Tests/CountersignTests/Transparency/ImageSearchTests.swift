import OCI
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// What an image is searched by.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ImageSearchTests {
    @Test func `an image's older signatures are found by their documents, and another image's are not`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let other = try await line.image(tag: "other").descriptor.digest
        for one in [digest, other] { try await line.push(one) }
        try await line.daemon(.formats([.bundle, .legacy])).workOff()
        let foreign = try #require(try await line.legacyLayers(of: other).first)
        try await line.pusher.attach(
            LegacyLayer(
                mediaType: foreign.mediaType,
                payload: try await line.pusher.blob(line.repository.name, foreign.digest, limit: foreign.size),
                annotations: foreign.annotations ?? [:]), .signature, to: digest, in: line.repository.name)

        let place = SignaturePlace(registry: line.pusher, repository: line.repository)
        let (terms, unread) = try await place.searchTerms(for: digest)
        let own = try #require(try await line.legacyLayers(of: digest).first { $0.digest != foreign.digest })
        #expect(terms == [.hash("\(digest)"), .hash("\(own.digest)")] && unread.isEmpty)
        let root = try TrustedRoot(json: try await line.lab.trustedRootJSON)
        let site = LogSite(
            .init(name: "rekor", api: .v1, upstream: .loopback(line.rekor.url)), trusting: Verifier(root: root),
            http: SigningLine.http)
        let found = try await site.find(terms, limit: 10)
        #expect(Set(found.entries.map(\.kind)) == ["dsse", "hashedrekord"] && found.count == 2)

        // the same by reading: what is attached here and of the other image is not looked for
        let (wanted, unknown) = try await place.wanted(for: digest)
        #expect(wanted.signatures.count == 2 && wanted.digests == ["\(digest)", "\(own.digest)"] && unknown.isEmpty)

        // what is not read for want of the registry's word is told apart from what can never be read
        let relayed = SignaturePlace(
            registry: RegistryClient(
                try RegistryEndpoint(name: SigningLine.registryName, url: line.registry.url, route: SigningLine.route),
                http: SigningLine.http),
            repository: line.repository)
        line.registry.next(.answered(200, body: "<html>"), times: 99) { $0.path.hasSuffix("/blobs/\(own.digest)") }
        let (_, unsearched) = try await relayed.searchTerms(for: digest)
        let (_, unscanned) = try await relayed.wanted(for: digest)
        #expect((unsearched + unscanned).map(\.code) == ["registry.digest_mismatch", "registry.digest_mismatch"])
        #expect((unsearched + unscanned).allSatisfy { $0.isUndetermined })
        line.registry.heal()

        try await line.delete(own.digest, "blobs")
        let without = try await place.searchTerms(for: digest)
        #expect(without.terms == [.hash("\(digest)")] && without.unread.map(\.code) == ["verify.missing"])
        #expect(without.unread.allSatisfy { !$0.isUndetermined })
    }
}
