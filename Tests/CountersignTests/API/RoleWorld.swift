import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// What the callers of ``RoleTests`` meet: all of it about `team/app`, which is tenant `team`'s.
struct RoleWorld {
    /// Work of one kind: signing an image, or a document of type openvex.
    struct Work {
        /// A job that waits.
        let job: Int64
        /// Another one, which has a log entry already.
        let logged: Int64
        let entry: Int64
        let letter: Int64
        let alert: Int64
    }

    let image: Work
    let document: Work
    let attestation: Int
    /// Asked for by somebody without a scope: one that runs, one that ended, one that waits for an approval.
    let batch: Int64
    let endedBatch: Int64
    let proposal: Int64

    static var configuration: Configuration {
        .doors {
            $0.tenants = [
                TenantConfiguration(name: "team", repositories: [glob("registry.example.com/team/**")]),
                TenantConfiguration(name: "else", repositories: [glob("registry.example.com/else/**")]),
            ]
        }
    }

    /// What a token is confined to.
    enum Scope: CaseIterable {
        case everything, ownRepositories, otherRepositories, ownTenant, otherTenant, ownTypes, otherTypes

        var tokenScope: TokenScope? {
            get throws {
                switch self {
                case .everything: nil
                case .ownRepositories:
                    try TokenScope(repositories: ["registry.example.com/team/**"], predicateTypes: ["*"])
                case .otherRepositories:
                    try TokenScope(repositories: ["registry.example.com/else/**"], predicateTypes: ["*"])
                case .ownTenant: try TokenScope(repositories: [], tenants: ["team"], predicateTypes: ["*"])
                case .otherTenant: try TokenScope(repositories: [], tenants: ["else"], predicateTypes: ["*"])
                case .ownTypes: try TokenScope(repositories: ["**"], predicateTypes: ["openvex"])
                case .otherTypes: try TokenScope(repositories: ["**"], predicateTypes: ["spdxjson"])
                }
            }
        }

        /// The world is in a repository of others.
        var isOutside: Bool { self == .otherRepositories || self == .otherTenant }
        /// Who is confined to types is asked about work on documents.
        var isOfTypes: Bool { self == .ownTypes || self == .otherTypes }
    }

    struct Caller {
        let role: APITokens.Role
        let scope: Scope
        var token = ""
        /// What it asked for itself: one that runs, one that ended; nil where its role asks for none, or nothing is within its
        /// scope.
        var batch: Int64?
        var endedBatch: Int64?

        /// Its token's.
        var name: String { "\(role.rawValue) \(scope)" }
    }

    func work(for caller: Caller?) -> Work { caller?.scope.isOfTypes == true ? document : image }

    init(_ doors: DoorsFixture) async throws {
        let sender = try await APITokens(pool: doors.queue.pool).create(name: "sender", role: .operator, lifetime: nil)
        var sent: [Int] = []
        document = try await Self.work(7, "openvex", doors) { number in
            let answer = try await doors.send(
                .put, .api, "/v1/attestations?ref=registry.example.com/team/app@\(sampleDigest("image"))&type=openvex",
                headers: ["Authorization": "Bearer \(sender)"], body: sampleVEX(number))
            sent.append(try #require(try JSONValue(parsing: answer.body)["id"]?.integer))
        }
        attestation = try #require(sent.last)
        image = try await Self.work(8, "image", doors) { number in
            // the last one is what callers ask for by name
            _ = try await doors.deliver(envelope(notification(number == 3 ? "image" : "\(number)", tag: "v\(number)")))
        }
        batch = try await Self.batch(by: sender, doors)
        endedBatch = try await Self.endedBatch(by: sender, doors)
        let proposal = try await Self.batch(by: sender, doors)
        try await doors.queue.pool.execute(
            "UPDATE countersign.batch SET state = 'proposed', needs_approval = true WHERE id = \(proposal)")
        self.proposal = proposal
        try await Self.sweeps(by: sender, doors)
    }

    /// A sweep of the repository and one of all, a log that is followed, and an alert about no repository.
    private static func sweeps(by token: String, _ doors: DoorsFixture) async throws {
        for path in ["/v1/reconcile?repository=registry.example.com/team/app", "/v1/reconcile"] {
            let answer = try await doors.send(.post, .api, path, headers: ["Authorization": "Bearer \(token)"])
            #expect(answer.status == 202)
        }
        try await doors.queue.pool.execute(
            "INSERT INTO countersign.followed_log (log, next_index, began_at) VALUES ('rekor', 0, 0)")
        try await Alerts(pool: doors.queue.pool, logger: SigningDaemon.silence).raise(
            Alert(.unknownEntry, about: "rekor 0", observed: "about no repository", fix: "look"))
    }

    /// A dead letter, a job that waits and one that has a log entry, with an alert about that.
    /// - Parameters:
    ///   - word: what errors and the alert say.
    ///   - begin: makes one job due.
    private static func work(
        _ index: Int64, _ word: String, _ doors: DoorsFixture, _ begin: (Int) async throws -> Void
    ) async throws -> Work {
        let failure = Failure(code: sampleFailure.code, stage: "log", observed: word, fix: "wait")
        let later = Outcome.retry(failure, after: .seconds(3600), counts: false)
        func claim(_ number: Int) async throws -> Claim {
            try await begin(number)
            return try await doors.queue.claimOne()
        }
        let letter = try await claim(1)
        _ = try await doors.queue.queue.settle(letter, as: .failed(failure))
        let job = try await claim(2)
        _ = try await doors.queue.queue.settle(job, as: later)
        let logged = try await claim(3)
        let evidence = try await doors.queue.journal.prepare(samplePrepared(word), for: logged)
        _ = try await doors.queue.journal.log(
            sampleLogged(index), attachment: sampleAttachment(word), of: evidence, for: logged)
        _ = try await doors.queue.queue.settle(logged, as: later)

        let target = try #require(logged.target)
        let alerts = Alerts(pool: doors.queue.pool, logger: SigningDaemon.silence)
        var alert = Alert(.signatureRejected, about: "\(target.id)", observed: word, fix: "look")
        (alert.repository, alert.digest, alert.purpose) = (target.repository, target.digest, target.purpose)
        try await alerts.raise(alert)
        return Work(
            job: job.jobID, logged: logged.jobID, entry: evidence.id, letter: letter.jobID,
            alert: try #require(try await alerts.alerts(limit: 1).items.first).id)
    }

    /// Of each role one caller for each scope; an attester has always one.
    static func callers(_ doors: DoorsFixture) async throws -> [Caller] {
        var callers: [Caller] = []
        for role in APITokens.Role.allCases {
            for scope in Scope.allCases where role != .attester || scope != .everything {
                var caller = Caller(role: role, scope: scope)
                caller.token = try await APITokens(pool: doors.queue.pool).create(
                    name: caller.name, role: role, lifetime: nil, scope: scope.tokenScope)
                if role >= .operator, !scope.isOutside {
                    caller.batch = try await batch(by: caller.token, doors)
                    caller.endedBatch = try await endedBatch(by: caller.token, doors)
                }
                callers.append(caller)
            }
        }
        return callers
    }

    private static func batch(by token: String, _ doors: DoorsFixture) async throws -> Int64 {
        let answer = try await doors.send(
            .post, .api, "/v1/batches",
            headers: ["Authorization": "Bearer \(token)", "Idempotency-Key": UUID().uuidString],
            body: Array("{\"references\": [\"registry.example.com/team/app@\(sampleDigest("image"))\"]}".utf8))
        #expect(answer.status == 202)
        return Int64(try #require(try JSONValue(parsing: answer.body)["id"]?.integer))
    }

    private static func endedBatch(by token: String, _ doors: DoorsFixture) async throws -> Int64 {
        let id = try await batch(by: token, doors)
        try await doors.queue.pool.execute(
            "UPDATE countersign.batch SET state = 'done', ended_at = now() WHERE id = \(id)")
        return id
    }
}
