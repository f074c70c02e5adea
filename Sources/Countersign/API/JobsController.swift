import FoundationEssentials
package import Hummingbird
import OCI

/// `GET /v1/jobs`, `GET /v1/jobs/{id}`: work that is left. `GET /v1/dead-letters`: work that was given up. Newest first, by pages.
package struct JobsController: RouteSet {
    private let records: ArtifactRecords
    private let authority: Authority

    package init(records: ArtifactRecords, authority: Authority) {
        self.records = records
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/jobs") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let state = try request.parameter("state", "queued, signing or waiting") { text in
                TargetState(rawValue: text).flatMap { $0.isFinal ? nil : $0 }
            }
            let repository = try request.parameter("repository", "registry/repository", parse: { try? Repository($0) })
            let page = try await records.jobs(
                state: state, repository: repository, scope: principal?.scope, before: try request.cursor(),
                limit: try request.limit())
            return try Response.json(JobsAnswer(jobs: page.items.map(JobAnswer.init), next: page.next))
        }
        router.get("/v1/jobs/{id}") { request, context in
            let principal = try await authority.identify(.viewer, for: request)
            let id = try context.job
            // of what is outside its scope a token learns nothing, not even that it is there
            guard let job = try await records.job(id),
                principal?.scope?.allows(job.repository, for: job.purpose) ?? true
            else {
                throw Problem.unknownJob(id)
            }
            return try Response.json(JobAnswer(job))
        }
        router.get("/v1/dead-letters") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let page = try await records.deadLetters(
                scope: principal?.scope, before: try request.cursor(), limit: try request.limit())
            return try Response.json(
                DeadLettersAnswer(deadLetters: page.items.map(DeadLetterAnswer.init), next: page.next))
        }
    }
}

private struct JobsAnswer: Encodable {
    let jobs: [JobAnswer]
    /// Pass as `before` for the next page; absent at the end.
    let next: Int64?
}

private struct JobAnswer: Encodable {
    let id: Int64
    let kind, repository: String
    let digest, tag: String?
    let state, lane: String
    let recheck: Bool
    let attempt, failures, crashes: Int
    let receivedAt, runAt: Date
    let leaseExpiresAt: Date?
    let lastError: Failure?

    enum CodingKeys: String, CodingKey {
        case id, kind, repository, digest, tag, state, lane, recheck, attempt, failures, crashes
        case receivedAt = "received_at"
        case runAt = "run_at"
        case leaseExpiresAt = "lease_expires_at"
        case lastError = "last_error"
    }

    init(_ job: JobRecord) {
        id = job.id
        kind = job.kind.rawValue
        repository = job.repository.description
        digest = job.digest?.description
        tag = job.tag
        state = job.state.rawValue
        lane = job.lane.name
        recheck = job.recheck
        attempt = job.attempt
        failures = job.failures
        crashes = job.crashes
        receivedAt = job.receivedAt
        runAt = job.runAt
        leaseExpiresAt = job.leaseExpiresAt
        lastError = job.lastError
    }
}

private struct DeadLettersAnswer: Encodable {
    let deadLetters: [DeadLetterAnswer]
    let next: Int64?

    enum CodingKeys: String, CodingKey {
        case deadLetters = "dead_letters"
        case next
    }
}

private struct DeadLetterAnswer: Encodable {
    let job: Int64
    let kind, repository: String
    let digest, tag: String?
    let buriedAt, receivedAt: Date
    let attempts, crashes: Int
    let error: Failure

    enum CodingKeys: String, CodingKey {
        case job, kind, repository, digest, tag, attempts, crashes, error
        case buriedAt = "buried_at"
        case receivedAt = "received_at"
    }

    init(_ letter: DeadLetter) {
        job = letter.jobID
        kind = letter.kind.rawValue
        repository = letter.repository.description
        digest = letter.digest?.description
        tag = letter.tag
        buriedAt = letter.buriedAt
        receivedAt = letter.receivedAt
        attempts = letter.attempts
        crashes = letter.crashes
        error = letter.error
    }
}
