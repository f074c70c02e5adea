import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// What a kind of job says of itself, and what the queue makes of it.
struct JobHandlerTests {
    @Test func `every handler is listed, and its kind has a name of its own that the table takes`() throws {
        let folder = "\(packageRoot)/Sources/Countersign"
        let written = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".swift") }
            .flatMap { try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8).split(separator: "\n") }
            .filter { $0.hasPrefix("struct ") && $0.hasSuffix(": JobHandler {") }
            .map { String($0.dropFirst("struct ".count).prefix { $0 != ":" }) }
        #expect(written.sorted() == JobKind.handlers.map { "\($0)" }.sorted())
        #expect(JobKind.known.count == JobKind.handlers.count)
        for kind in JobKind.known.keys {
            #expect(kind.rawValue.wholeMatch(of: /[a-z][a-z_]{0,30}/) != nil, "\(kind.rawValue)")
        }
    }

    @Test func `each kind takes a tag or a target, and only one that looks back has a re-check`() throws {
        let repository = try Repository(registry: "registry.example", name: "team/app")
        let tag = Claim.Subject.tag("latest", in: repository, actor: nil)
        let target = Target(id: 1, repositoryID: 1, repository: repository, digest: sampleDigest("a"))
        let document = Target(
            id: 2, repositoryID: 1, repository: repository, digest: sampleDigest("a"),
            purpose: Purpose(rawValue: "attestation x y"))
        let subjects = [tag, .target(target, isRecheck: false), .target(document, isRecheck: false)]
        func taken(by kind: JobKind) -> [Bool] { subjects.map { JobKind.known[kind]?.takes($0) ?? false } }
        #expect(taken(by: .sign) == [false, true, false])
        #expect(taken(by: .attest) == [false, false, true])
        #expect(taken(by: .withdraw) == [false, true, true])
        #expect(taken(by: .resolve) == [true, false, false])
        #expect(JobKind.handlers.allSatisfy { handler in subjects.contains { handler.takes($0) } })
        #expect(Set(JobKind.handlers.filter { $0.looksBack }.map { $0.kind }) == [.sign, .attest])
    }

    @Test func `only a withdrawal works on what is revoked, and is cancelled by whoever may lift that`() {
        for handler in JobKind.handlers {
            let isWithdrawal = handler.kind == .withdraw
            #expect(handler.kind.worksOnRevoked == isWithdrawal, "\(handler.kind.rawValue)")
            #expect(handler.kind.cancelledBy == (isWithdrawal ? .admin : .operator), "\(handler.kind.rawValue)")
        }
        let unknown = JobKind(rawValue: "of_a_newer_daemon")
        #expect(!unknown.worksOnRevoked && unknown.cancelledBy == .admin)
    }

    /// An end as a new kind might have it.
    private struct Forgotten: JobEnd {
        var isBroken = false
        var name: String { "forgotten" }

        func settle(_ claim: Claim, in session: Session) throws -> Settlement? {
            let ended = try session.execute(
                "DELETE FROM countersign.job WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased"
            )
            if isBroken { throw QueueError.unreadable(table: "job", what: "what it should have become") }
            return ended == 1 ? .ended(nil, sincePush: .zero) : nil
        }
    }

    @Test func `an end of a kind's own is one transaction, and whoever lost the job has none`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(nil, tag: "latest"))
        let claim = try await fixture.claimOne()
        #expect(Outcome.ended(Forgotten()).name == "forgotten")
        await #expect {
            try await fixture.queue.settle(claim, as: .ended(Forgotten(isBroken: true)))
        } throws: {
            ($0 as? QueueError)?.code == "queue.unreadable"
        }
        #expect(try await fixture.jobCount() == 1)
        #expect(try await fixture.queue.settle(claim, as: .ended(Forgotten())) == .ended(nil, sincePush: .zero))
        #expect(try await fixture.jobCount() == 0)
        await #expect {
            try await fixture.queue.settle(claim, as: .ended(Forgotten()))
        } throws: {
            ($0 as? QueueError)?.code == "queue.lease_lost"
        }
    }

    @Test func `the words of ends in logs and metrics`() {
        #expect(Outcome.resolved([]).name == "resolved")
        #expect(Outcome.withdrawn(isUnlisted: true, undeleted: nil).name == "withdrawn")
        #expect(Outcome.notRevoked.name == "not_revoked")
    }
}
