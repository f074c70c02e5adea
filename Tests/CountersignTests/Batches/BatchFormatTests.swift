import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Batches that ask for fewer formats than the rule names, up to the queue.
@Suite struct BatchFormatTests {
    private func asked(_ fixture: BatchFixture) async throws -> [Digest: Set<SignatureFormat>?] {
        var asked: [Digest: Set<SignatureFormat>?] = [:]
        for claim in try await fixture.database.claim() {
            asked[try #require(claim.target?.digest)] = .some(claim.formats)
        }
        return asked
    }

    /// Signs the one claim that there is in these formats, as a worker would.
    private func sign(_ fixture: BatchFixture, in formats: [SignatureFormat]) async throws {
        let (claim, journal) = (try await fixture.database.claimOne(), fixture.database.journal)
        for (number, format) in formats.enumerated() {
            var prepared = samplePrepared("\(claim.jobID) \(format)")
            prepared.format = format
            let evidence = try await journal.log(
                sampleLogged(claim.jobID * 10 + Int64(number)),
                attachment: sampleAttachment("\(claim.jobID) \(format)"),
                of: try await journal.prepare(prepared, for: claim), for: claim)
            try await journal.published(evidence, for: claim)
        }
        _ = try await fixture.database.queue.settle(claim, as: .signed(sampleRecord(claim.jobID)))
    }

    @Test func `what batches ask for adds up, and a push asks for all, whoever stores it`() async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let names = ["one", "both", "pushed after", "pushed before", "failed before", "pushed by another version"]
        let subjects = try names.map { try fixture.subject($0) }
        try await fixture.database.push(samplePush(sampleDigest("failed before")))
        _ = try await fixture.database.queue.settle(
            try await fixture.database.claimOne(), as: .failed(sampleFailure))
        try await fixture.database.push(samplePush(sampleDigest("pushed before")))
        _ = try await fixture.batch(subjects, formats: [.bundle])
        try await fixture.feed()
        _ = try await fixture.batch([subjects[1]], formats: [.legacy])
        try await fixture.feed()
        try await fixture.database.push(samplePush(sampleDigest("pushed after")))
        // which knows nothing of these columns
        try await fixture.database.pool.execute(
            "UPDATE countersign.target SET pushes = pushes + 1 WHERE digest = \(sampleDigest(names[5]).description)::text"
        )
        let expected: [Set<SignatureFormat>?] = [[.bundle], [.bundle, .legacy], nil, nil, [.bundle], nil]
        let found = try await asked(fixture)
        for (name, formats) in zip(names, expected) { #expect(found[sampleDigest(name)] == .some(formats), "\(name)") }
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test(arguments: [false, true])
    func `a generation that is on its way is signed in what either batch asked for`(isHeld: Bool) async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let subject = try fixture.subject("image")
        try await fixture.database.push(samplePush(subject.digest))
        try await sign(fixture, in: [.bundle, .legacy])
        _ = try await fixture.batch([subject], .resign(.keep), formats: [.bundle])
        try await fixture.feed()
        let held: Claim? = if isHeld { try await fixture.database.claimOne() } else { nil }
        #expect(held?.formats == (isHeld ? [.bundle] : nil))
        // the same again asks for nothing more
        for formats in [[SignatureFormat.bundle], [.legacy]] {
            _ = try await fixture.batch([subject], .resign(.keep), formats: formats)
            try await fixture.feed()
            let again = try await fixture.database.number("SELECT count(*) FROM countersign.job WHERE pushed_again")
            #expect(again == (isHeld && formats == [.legacy] ? 1 : 0))
        }
        if let held {
            #expect(try await fixture.database.queue.settle(held, as: .signed(sampleRecord(7))) == .requeued)
        }
        #expect(try await fixture.database.claimOne().formats == [.bundle, .legacy])
    }

    @Test func `a generation has what the one before was asked for and does not serve`() async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let names = ["bundle", "all", "asked for more", "pushed"]
        let subjects = try names.map { try fixture.subject($0) }
        for (name, subject) in zip(names, subjects) {
            if name == "all" {
                try await fixture.database.push(samplePush(subject.digest))
            } else {
                _ = try await fixture.batch([subject], formats: [.bundle])
                try await fixture.feed()
            }
            try await sign(fixture, in: name == "all" ? [.bundle, .legacy] : [.bundle])
        }
        _ = try await fixture.batch([subjects[2]], formats: [.legacy])
        try await fixture.feed()
        try await fixture.database.push(samplePush(subjects[3].digest))

        _ = try await fixture.batch(subjects, .resign(.keep), formats: [.bundle])
        try await fixture.feed()
        let expected: [Set<SignatureFormat>] = [[.bundle], [.bundle], [.bundle, .legacy], [.bundle, .legacy]]
        let found = try await asked(fixture)
        for (name, formats) in zip(names, expected) { #expect(found[sampleDigest(name)] == .some(formats), "\(name)") }
    }

    @Test func `a push that waits for a format outlives the campaign that took its job`() async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let subject = try fixture.subject("image")
        _ = try await fixture.batch([subject], formats: [.bundle])
        try await fixture.feed()
        try await sign(fixture, in: [.bundle])
        let push = samplePush(subject.digest)
        try await fixture.database.push(push)
        let campaign = try await fixture.batch([subject], .resign(.keep), formats: [.bundle])
        try await fixture.feed()
        _ = try await fixture.records.cancel(campaign.id, by: fixture.principal)
        try await fixture.feed()
        let claim = try await fixture.database.claimOne()
        #expect(claim.target?.generation == 1 && claim.formats == [.bundle, .legacy])
        #expect(claim.lane == push.lane && claim.deliveryKey == push.deliveryKey)
    }

    @Test func `signed in fewer formats than were asked for is no success of its batch`() async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        for (name, formats) in [("a", [SignatureFormat.bundle]), ("b", [.bundle, .legacy])] {
            let batch = try await fixture.batch([fixture.subject(name)], formats: formats)
            try await fixture.feed()
            // as by a rule that has lost the other one meanwhile
            try await sign(fixture, in: [.bundle])
            try await fixture.feed()
            let members = try await fixture.records.members(of: batch.id)
            #expect(members.map(\.state) == (name == "a" ? [.signed] : [.refused]))
            #expect(members.map(\.error?.code) == (name == "a" ? [nil] : ["policy.format"]))
        }
        #expect(try await fixture.database.state(sampleDigest("b")) == "signed")
    }

    @Test func `a cancelled batch takes back the format that nobody began, and resumed asks for it again`()
        async throws
    {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let subject = try fixture.subject("image")
        _ = try await fixture.batch([subject], formats: [.bundle])
        try await fixture.feed()
        try await sign(fixture, in: [.bundle])
        let more = try await fixture.batch([subject], formats: [.legacy])
        let again = try await fixture.batch([subject], formats: [.bundle])
        try await fixture.feed()
        for batch in [more, again] { _ = try await fixture.records.cancel(batch.id, by: fixture.principal) }
        try await fixture.feed()
        #expect(try await fixture.counts(more) == [.cancelled: 1])
        #expect(try await fixture.counts(again) == [.signed: 1])
        let status = try #require(
            try await fixture.database.records.status(of: sampleDigest("image"), in: subject.repository))
        #expect(status.state == .signed && status.formats == [.bundle] && !status.recheck)

        _ = try await fixture.records.resume(more.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.database.claimOne().formats == [.bundle, .legacy])
    }

    @Test func `what is asked for decides what is grouped, and who is not is told why`() async throws {
        let cases: [([SignatureFormat]?, Int)] = [([.bundle], 3), (nil, 0)]
        for (formats, grouped) in cases {
            let fixture = try await BatchFixture(formats: [.bundle, .legacy])
            let batch = try await fixture.batch(
                fixture.subjects(3), formats: formats, grouping: .init(maxSubjects: 10))
            try await fixture.feed()
            #expect(
                try await fixture.database.number(
                    "SELECT count(*) FROM countersign.job WHERE group_id IS NOT NULL") == grouped)
            let alone = try await fixture.records.members(of: batch.id).map(\.alone?.code)
            #expect(alone == [String?](repeating: grouped > 0 ? nil : "batch.grouping_legacy", count: 3))
        }
    }

    @Test func `a dry run tells whether a format is missing`() async throws {
        let fixture = try await BatchFixture(formats: [.bundle, .legacy])
        let subject = try fixture.subject("image")
        _ = try await fixture.batch([subject], formats: [.bundle])
        try await fixture.feed()
        try await sign(fixture, in: [.bundle])
        let cases: [([SignatureFormat]?, String)] = [([.bundle], "recheck"), ([.legacy], "sign"), (nil, "sign")]
        for (formats, plan) in cases {
            let request = BatchRequest(subjects: .list([subject]), action: .sign, formats: formats)
            let verdicts = try await fixture.feeder().plan.verdicts(on: [subject], request)
            #expect(verdicts.map(\.plan.name) == [plan])
        }
    }
}
