import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// The last row of the crash table: our whole database is lost, and the signatures are still there.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct AdoptionTests {
    @Test func `after the loss of the database our own signature is adopted, not made again`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()
        let lost = try #require(try await before.signature(of: digest))

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        let (sent, written) = (after.rekor.requests.count, after.registry.writes)
        try await after.daemon().workOff()

        try await after.expectSignedOnce(digest)
        let adopted = try #require(try await after.signature(of: digest))
        #expect(adopted.logIndex == lost.logIndex)
        #expect(adopted.referrer == lost.referrer)
        #expect(after.rekor.requests.count == sent, "the log was not asked")
        #expect(after.registry.writes == written, "the registry was not written to")
    }

    @Test func `what is adopted was signed when it was, not when it was found`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()
        let entered = try #require(try await before.signature(of: digest)?.integratedAt)

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon().workOff()
        #expect(try await after.signature(of: digest)?.signedAt == entered)
        var selector = BatchSelector()
        selector.signedBefore = entered.addingTimeInterval(0.001)
        let selection = BatchSelection(pool: after.database.pool)
        #expect(try await selection.subjects(selector, signedOnly: true)?.compactMap(\.digest) == [digest])

        // rows of before are mended by the next look
        try await after.database.pool.execute("UPDATE countersign.target SET signed_at = now()")
        try await after.recheckAll(with: try await after.daemon())
        #expect(try await after.signature(of: digest)?.signedAt == entered)
    }

    @Test func `what is adopted can be restored from our own tables later`() async throws {
        let before = try await SigningLine()
        let image = try await before.image()
        let digest = image.descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon().workOff()
        let adopted = try #require(try await after.signature(of: digest))
        try await after.delete(adopted.referrer)
        try await after.push(digest)
        try await after.daemon().workOff()

        try await after.expectSignedOnce(digest)
        #expect(try await after.signature(of: digest)?.referrer == adopted.referrer)
    }

    @Test func `a signature by somebody else is not adopted, and stays`() async throws {
        let theirs = try await SigningLine()
        let digest = try await theirs.image().descriptor.digest
        try await theirs.useToken(subject: "system:serviceaccount:ci:other")
        var other = SigningLine.Setup()
        other.subject = "https://kubernetes.io/namespaces/ci/serviceaccounts/other"
        try await theirs.push(digest)
        try await theirs.daemon(other).workOff()
        #expect(try await theirs.state(digest) == "signed")

        let ours = try await theirs.withFreshDatabase()
        try await ours.useToken()
        try await ours.push(digest)
        try await ours.daemon().workOff()
        #expect(try await ours.state(digest) == "signed")
        #expect(try await ours.referrers(of: digest).count == 2)
        #expect(try await ours.logEntries(about: digest).count == 2)
        let verdict = try await ours.verify(digest)
        #expect(verdict.signatures.count == 1)
        #expect(verdict.rejected.map(\.code) == ["verify.identity"])
    }

    @Test func `a signature that was copied with its image carries no approval, so it is not adopted`() async throws {
        let source = try await SigningLine()
        let image = try await source.image()
        let digest = image.descriptor.digest
        try await source.push(digest)
        try await source.daemon().workOff()

        let destination = try await SigningLine()
        try await source.copy(image, to: destination)
        for bundle in try await source.referrers(of: digest) {
            let referrer = BundleReferrer.render(
                bundle: bundle.bytes, subject: image.descriptor, predicateType: "https://sigstore.dev/cosign/sign/v1",
                created: .now)
            _ = try await destination.pusher.attach(referrer, bundle: bundle.bytes, to: destination.repository.name)
        }
        try await destination.push(digest)
        try await destination.daemon().workOff()
        #expect(try await destination.state(digest) == "signed")
        #expect(try await destination.logEntries(about: digest).count == 2)
        let verdict = try await destination.verify(digest)
        #expect(verdict.signatures.count == 1)
        #expect(verdict.rejected.map(\.code) == ["verify.repository"])
    }
}
