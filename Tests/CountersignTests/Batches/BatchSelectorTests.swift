import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// What conditions over our own records select.
@Suite struct BatchSelectorTests {
    /// Two signed (one with tags), one queued, one refused at intake.
    private func fixture() async throws -> BatchFixture {
        let fixture = try await BatchFixture()
        try await fixture.database.push(
            samplePush(sampleDigest("old"), tag: "1.0"), samplePush(sampleDigest("new"), tag: "2.0"),
            samplePush(sampleDigest("elsewhere"), repository: "team/tools/kit"))
        try await fixture.signAll()
        try await fixture.database.push(samplePush(sampleDigest("new"), tag: "latest"))
        try await fixture.signAll()
        try await fixture.database.push(samplePush(sampleDigest("waiting")))
        var refused = samplePush(sampleDigest("refused"), tag: "9")
        refused.verdict = .refused(reason: "no rule")
        try await fixture.database.push(refused)
        return fixture
    }

    private func digests(_ fixture: BatchFixture, _ selector: BatchSelector) async throws -> Set<Digest> {
        Set(try #require(try await fixture.selection(selector)).compactMap(\.digest))
    }

    @Test func `repositories are selected by glob`() async throws {
        let fixture = try await fixture()
        var selector = BatchSelector()
        selector.repository = try Glob("registry.example/team/*")
        #expect(try await digests(fixture, selector) == Set(["old", "new", "waiting"].map { sampleDigest($0) }))
        selector.repository = try Glob("registry.example/team/**")
        #expect(try await digests(fixture, selector).count == 4)
        selector.registry = "other.example"
        #expect(try await digests(fixture, selector).isEmpty)
    }

    @Test func `tags are those that point there now, each a member of its own`() async throws {
        let fixture = try await fixture()
        var selector = BatchSelector()
        selector.tag = try Glob("*")
        let selected = try #require(try await fixture.selection(selector))
        #expect(Set(selected.map(\.tag)) == ["1.0", "2.0", "latest"])
        // 1.0 moves on: it is no tag of the old digest any more
        try await fixture.database.push(samplePush(sampleDigest("new"), tag: "1.0"))
        selector.digests = [sampleDigest("old")]
        #expect(try await fixture.selection(selector) == [])
    }

    @Test func `unsigned is what has no signature of ours, what was refused at intake among it`() async throws {
        let fixture = try await fixture()
        var selector = BatchSelector()
        selector.unsigned = true
        #expect(try await digests(fixture, selector) == Set(["waiting", "refused"].map { sampleDigest($0) }))
        selector.tag = try Glob("9")
        #expect(try await fixture.selection(selector)?.map(\.tag) == ["9"])
    }

    @Test func `signed before a time, and by a name`() async throws {
        let fixture = try await fixture()
        try await fixture.database.pool.execute(
            """
            UPDATE countersign.target SET signed_at = now() - interval '1 year'
            WHERE digest = \(sampleDigest("old").description)::text
            """)
        var selector = BatchSelector()
        selector.signedBefore = Date().addingTimeInterval(-86_400)
        #expect(try await digests(fixture, selector) == [sampleDigest("old")])
        selector = BatchSelector()
        selector.identity = "https://ci.example/signer"
        #expect(try await digests(fixture, selector).count == 3)
        selector.identity = "somebody else"
        #expect(try await digests(fixture, selector).isEmpty)
    }

    @Test func `a campaign selects only what is signed`() async throws {
        let fixture = try await fixture()
        var selector = BatchSelector()
        selector.repository = try Glob("**")
        #expect(try await fixture.selection(selector, signedOnly: true)?.count == 3)
    }
}
