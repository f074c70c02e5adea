import FoundationEssentials
package import Hummingbird
import OCI

/// `GET /v1/jobs`: work that is left. `GET /v1/dead-letters`: work that was given up. Newest first, by pages.
package struct JobsController: RouteSet {
    private let records: ArtifactRecords
    private let authority: Authority

    package init(records: ArtifactRecords, authority: Authority) {
        self.records = records
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/jobs") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            let state = try request.parameter("state", "queued, signing or waiting") { text in
                TargetState(rawValue: text).flatMap { $0.isFinal ? nil : $0 }
            }
            let repository = try request.parameter("repository", "registry/repository", parse: Self.repository)
            let page = try await records.jobs(
                state: state, repository: repository, before: try Self.cursor(request), limit: try Self.limit(request))
            return try Response.json(JobsAnswer(jobs: page.items.map(JobAnswer.init), next: page.next))
        }
        router.get("/v1/dead-letters") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            let page = try await records.deadLetters(before: try Self.cursor(request), limit: try Self.limit(request))
            return try Response.json(
                DeadLettersAnswer(deadLetters: page.items.map(DeadLetterAnswer.init), next: page.next))
        }
    }

    private static func cursor(_ request: Request) throws(Problem) -> Int64? {
        try request.parameter("before", "the 'next' of the page before") { text in
            Int64(text).flatMap { $0 > 0 ? $0 : nil }
        }
    }

    private static func limit(_ request: Request) throws(Problem) -> Int {
        try request.parameter("limit", "a number from 1 to 500") { text in
            Int(text).flatMap { (1...500).contains($0) ? $0 : nil }
        } ?? 100
    }

    /// `registry/name`: everything before the first slash is the registry.
    private static func repository(_ text: String) -> Repository? {
        guard let slash = text.firstIndex(of: "/") else { return nil }
        return try? Repository(registry: String(text[..<slash]), name: String(text[text.index(after: slash)...]))
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
        kind = job.kind
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
        kind = letter.kind
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
