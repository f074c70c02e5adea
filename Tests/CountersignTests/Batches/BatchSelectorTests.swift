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

    @Test func `refused pushes are found however many others there are`() async throws {
        let fixture = try await fixture()
        // of another repository, before ours in whatever order
        try await fixture.database.pool.execute(
            """
            INSERT INTO countersign.event (source, delivery_key, registry, repository, digest, tag, verdict, reason, body)
            SELECT 'demo', '\\x01', 'registry.example', 'aside/app',
                'sha256:' || lpad(to_hex(n % 20100), 64, '0'), '1', 'refused', 'no rule', '{}'
            FROM generate_series(1, 20200) AS n
            """)
        var selector = BatchSelector()
        selector.unsigned = true
        selector.repository = try Glob("registry.example/team/**")
        #expect(try await digests(fixture, selector) == Set(["waiting", "refused"].map { sampleDigest($0) }))
        selector.tag = try Glob("9")
        #expect(try await fixture.selection(selector)?.map(\.digest) == [sampleDigest("refused")])
        selector.repository = try Glob("registry.example/aside/**")
        selector.tag = nil
        #expect(try await fixture.selection(selector) == nil, "more than a batch may have")
        #expect(try await fixture.selection(selector, limit: 20_100)?.count == 20_100, "each once")
    }

    @Test func `what an endpoint told of another's repositories is not selected`() async throws {
        let fixture = try await fixture()
        for (source, repository, registry) in [
            ("demo", "else/app", BatchFixture.registry), ("other", "team/app", BatchFixture.registry),
            ("demo", "team/app", "else.example"),
        ] {
            var foreign = samplePush(sampleDigest("foreign \(source)"), repository: repository)
            (foreign.source, foreign.registry, foreign.verdict) = (source, registry, .refused(reason: "not its own"))
            try await fixture.database.push(foreign)
        }
        #expect(
            try await fixture.database.number("SELECT count(*) FROM countersign.event WHERE reason = 'not its own'")
                == 3)
        var selector = BatchSelector()
        selector.unsigned = true
        #expect(try await digests(fixture, selector) == Set(["waiting", "refused"].map { sampleDigest($0) }))
    }

    @Test func `what is selected does not depend on the steps in which rows are walked`() async throws {
        let fixture = try await fixture()
        for number in 0..<7 {
            try await fixture.database.push(
                samplePush(sampleDigest("more \(number)"), tag: "t\(number)", repository: "team/r\(number % 3)"))
            var refused = samplePush(sampleDigest("no \(number % 4)"), tag: "n\(number)", repository: "team/no")
            refused.verdict = .refused(reason: "no rule")
            try await fixture.database.push(refused)
        }
        var selectors: [BatchSelector] = []
        for pattern in [nil, "**", "registry.example/team/r*", "registry.example/team/app"] {
            for tag in [nil, "*"] {
                for unsigned in [false, true] {
                    var selector = BatchSelector()
                    selector.repository = try pattern.map { try Glob($0) }
                    selector.tag = try tag.map { try Glob($0) }
                    selector.unsigned = unsigned
                    selectors.append(selector)
                }
            }
        }
        var byDigest = BatchSelector()
        byDigest.digests = Set((0..<7).map { sampleDigest("more \($0)") } + [sampleDigest("no 1")])
        byDigest.unsigned = true
        for selector in selectors + [byDigest] {
            let whole = try #require(try await fixture.selection(selector))
            #expect(!whole.isEmpty && Set(whole).count == whole.count)
            for step in [1, 2, 3] {
                let walked = try #require(try await fixture.selection(selector, step: step))
                #expect(walked.count == whole.count && Set(walked) == Set(whole), "\(selector) in steps of \(step)")
            }
            #expect(try await fixture.selection(selector, step: 2, limit: whole.count)?.count == whole.count)
            #expect(try await fixture.selection(selector, step: 2, limit: whole.count - 1) == nil)
        }
        #expect(try await fixture.selection(byDigest)?.count == 8)
    }

    @Test func `a campaign selects only what is signed`() async throws {
        let fixture = try await fixture()
        var selector = BatchSelector()
        selector.repository = try Glob("**")
        let selected = try #require(try await fixture.selection(selector, signedOnly: true))
        #expect(selected.count == 3)
        #expect(Set(selected.compactMap(\.digest)) == Set(["old", "new", "elsewhere"].map { sampleDigest($0) }))
    }
}
