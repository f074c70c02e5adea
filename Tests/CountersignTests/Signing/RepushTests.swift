import OCI
import Support
import Testing

@testable import Countersign

/// A push of a digest that is known is looked at again by its state: never a duplicate over an unsigned image.
@Suite(.serialized, .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct RepushTests {
    enum Loss: String, CaseIterable { case everything, referrer, index, bundle }

    @Test(arguments: Loss.allCases)
    func `what the registry lost is restored from the stored bytes`(_ loss: Loss) async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.push(digest)
        try await line.daemon().workOff()
        let signature = try #require(try await line.signature(of: digest))
        let index = try await line.pusher.resolve(line.repository.name, tag: SignatureTag.fallback(for: digest))

        switch loss {
        case .everything:
            for lost in [digest, signature.referrer, index.descriptor.digest] { try await line.delete(lost) }
            #expect(try await line.put(image).descriptor.digest == digest)
        case .referrer: try await line.delete(signature.referrer)
        case .index: try await line.delete(index.descriptor.digest)
        case .bundle:
            let bundle = try #require(try await line.referrers(of: digest).first)
            try await line.delete(.sha256(of: bundle.bytes), "blobs")
        }
        let sent = line.rekor.requests.count + line.fulcio.requests.count
        try await line.push(digest)
        // another daemon: what the first one remembers of the registry must not be needed
        try await line.daemon().workOff()

        try await line.expectSignedOnce(digest)
        #expect(try await line.signature(of: digest)?.referrer == signature.referrer)
        #expect(line.rekor.requests.count + line.fulcio.requests.count == sent, "no new signature")
    }

    @Test func `a daemon that remembers the registry restores as well`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        let signature = try #require(try await line.signature(of: digest))
        let index = try await line.pusher.resolve(line.repository.name, tag: SignatureTag.fallback(for: digest))
        for lost in [digest, signature.referrer, index.descriptor.digest] { try await line.delete(lost) }
        try await line.put(image)
        try await line.push(digest)
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `what is signed and intact is only looked at`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        let first = try #require(try await line.signature(of: digest))
        let written = line.registry.writes

        try await line.push(digest)
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        let second = try #require(try await line.signature(of: digest))
        #expect(second.verifiedAt > first.verifiedAt)
        #expect(second.signedAt == first.signedAt)
        #expect(line.registry.writes == written)
    }

    @Test func `a push during the attempt is looked at after it`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        let daemon = try await line.daemon()
        let claim = try await daemon.claimOne()
        let attempt = Task { await daemon.attempt(claim) }
        await hold.reached()
        try await line.push(digest)
        hold.release()
        await attempt.value
        #expect(try await line.database.jobCount() == 1, "due again")
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `refused by policy, then allowed and pushed again: signed`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        var strict = SigningLine.Setup()
        strict.rules = [SigningLine.Setup.rule("elsewhere", glob: "registry.example/elsewhere/**")]
        try await line.daemon(strict).workOff()
        #expect(try await line.state(digest) == "refused")
        #expect(try await line.failure(digest)?.code == "policy.refused")
        try await line.expectNothingPublic(digest)
        #expect(line.registry.requests.isEmpty, "a refused repository is not dialled")

        try await line.push(digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `gone, then pushed: signed`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.delete(digest)
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "gone")
        #expect(try await line.failure(digest)?.code == "registry.not_found")
        try await line.expectNothingPublic(digest)

        try await line.put(image)
        try await line.push(digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }
}
