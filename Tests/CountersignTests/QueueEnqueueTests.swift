import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueEnqueueTests {
    let digest = sampleDigest("app")

    @Test func `a push becomes one event, one target and one job that is due`() async throws {
        let fixture = try await QueueFixture()
        let result = try await fixture.push(samplePush(digest, tag: "1.0"))
        #expect(result.items.map(\.verdict) == [.accepted])
        let claim = try await fixture.claimOne()
        #expect(claim.target?.digest == digest)
        #expect(claim.target?.id == result.items[0].targetID)
        #expect(claim.repository.description == "registry.example/team/app")
        #expect(claim.attempt == 1 && claim.lane == .live && claim.kind == .sign)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 1)
        #expect(try await fixture.text("SELECT verdict FROM countersign.event") == "accepted")
        #expect(try await fixture.state(digest) == "signing")
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `pushing twice folds into one target and one job`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let again = try await fixture.push(samplePush(digest))
        #expect(again.items.map(\.verdict) == [.known])
        #expect(try await fixture.jobCount() == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 2)
        #expect(try await fixture.number("SELECT pushes::bigint FROM countersign.target") == 2)
    }

    @Test func `duplicates within a batch fold and each is answered in its place`() async throws {
        let fixture = try await QueueFixture()
        let other = sampleDigest("other")
        let result = try await fixture.push(
            samplePush(digest, tag: "a"), samplePush(other), samplePush(digest, tag: "b"),
            samplePush(digest, repository: "team/copy"))
        #expect(result.items.map(\.verdict) == [.accepted, .accepted, .known, .accepted])
        #expect(result.items[0].targetID == result.items[2].targetID)
        #expect(Set(result.items.compactMap(\.targetID)).count == 3)
        #expect(try await fixture.jobCount() == 3)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.tag_history") == 2)
    }

    @Test func `refused pushes are recorded and nothing else`() async throws {
        let fixture = try await QueueFixture()
        var refused = samplePush(digest)
        refused.registry = "evil.example\u{0}" + String(repeating: "x", count: 400)
        refused.verdict = .refused(reason: "unknown host")
        var untagged = samplePush(digest)
        untagged.verdict = .refused(reason: "untagged")
        let result = try await fixture.push(refused, untagged)
        #expect(result.items.map(\.verdict) == [.refused, .refused])
        #expect(result.items.allSatisfy { $0.targetID == nil })
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 2)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.repository") == 0)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.target") == 0)
        #expect(try await fixture.jobCount() == 0)
    }

    @Test func `an event with only a tag becomes a resolve job each time`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(nil, tag: "latest"), samplePush(nil, tag: "latest"))
        let claims = try await fixture.claim()
        #expect(claims.count == 2)
        guard claims[0].kind == .resolve, case .tag(let tag, let repository, let actor) = claims[0].subject else {
            Issue.record("not a resolve job")
            return
        }
        #expect(repository.name == "team/app" && tag == "latest" && actor == "ci")
    }

    @Test func `a resolved tag becomes a target in the transaction that ends its job`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(nil, tag: "latest"))
        let claim = try await fixture.claimOne()
        var target = samplePush(digest, tag: "latest")
        target.delivery = nil
        _ = try await fixture.queue.settle(claim, as: .resolved([target]))
        #expect(try await fixture.claimOne().target?.digest == digest)
        #expect(
            try await fixture.text(
                "SELECT string_agg(concat_ws(' ', source, digest), ', ' ORDER BY id) FROM countersign.tag_history")
                == "told, resolved \(digest)")
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 1)
        await #expect(throws: QueueError.self) { try await fixture.queue.settle(claim, as: .resolved([target])) }
    }

    @Test func `a tag that cannot be resolved stays visible as a dead letter`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(nil, tag: "latest"))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .gone(sampleFailure))
        let letters = try await fixture.records.deadLetters()
        #expect(letters.items.map(\.tag) == ["latest"])
        #expect(try await fixture.jobCount() == 0)
    }

    @Test func `pushes of the same images from many connections at once neither deadlock nor double`() async throws {
        let fixture = try await QueueFixture()
        let digests = (0..<20).map { sampleDigest($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<8 {
                group.addTask {
                    let order = round.isMultiple(of: 2) ? digests : digests.reversed()
                    _ = try await fixture.queue.enqueue(order.map { samplePush($0) })
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.jobCount() == 20)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.target WHERE pushes = 8") == 20)
    }

    @Test func `a row that the database refuses is named as such and leaves nothing behind`() async throws {
        let fixture = try await QueueFixture()
        let tooLarge = samplePush(digest, body: [UInt8](repeating: 32, count: 1_048_577))
        do {
            try await fixture.push(samplePush(sampleDigest("innocent")), tooLarge)
            Issue.record("it was stored")
        } catch let error as QueueError {
            #expect(error.code == "queue.unstorable" && !error.isTransient)
        }
        #expect(try await fixture.number("SELECT count(*) FROM countersign.target") == 0)
    }

    @Test func `a claim names the delivery of the latest push, also through a tag and a dead letter`() async throws {
        let fixture = try await QueueFixture()
        let digest = sampleDigest("named")
        try await fixture.push(samplePush(nil, tag: "v1", key: [1]))
        let resolve = try await fixture.claimOne()
        #expect(resolve.deliveryKey == [1])
        var derived = samplePush(digest, tag: "v1", key: [])
        (derived.delivery, derived.deliveryKey) = (nil, nil)
        _ = try await fixture.queue.settle(resolve, as: .resolved([derived]))
        let first = try await fixture.claimOne()
        #expect(first.deliveryKey == [1])
        // pushed again while it runs, and again while it waits
        try await fixture.push(samplePush(digest, key: [2]))
        _ = try await fixture.queue.settle(first, as: .gone(sampleFailure))
        let second = try await fixture.claimOne()
        #expect(second.deliveryKey == [2])
        _ = try await fixture.queue.settle(second, as: .retry(sampleFailure, after: .seconds(60), counts: true))
        try await fixture.push(samplePush(digest, key: [3]))
        let third = try await fixture.claimOne()
        #expect(third.deliveryKey == [3])
        _ = try await fixture.queue.settle(third, as: .failed(sampleFailure))
        _ = try await fixture.queue.redrive(jobs: [third.jobID])
        #expect(try await fixture.claimOne().deliveryKey == [3])
    }

    @Test func `the dead letter of a tag ends when the tag is pushed again`() async throws {
        for digest in [nil, sampleDigest("app")] {
            let fixture = try await QueueFixture()
            try await fixture.push(samplePush(nil, tag: "latest"), samplePush(nil, tag: "other"))
            for claim in try await fixture.claim() {
                _ = try await fixture.queue.settle(claim, as: .gone(sampleFailure))
            }
            try await fixture.push(samplePush(digest, tag: "latest"))
            #expect(try await fixture.records.deadLetters().items.map(\.tag) == ["other"])
        }
    }
}
