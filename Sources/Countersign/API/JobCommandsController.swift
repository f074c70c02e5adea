package import Hummingbird
import Logging
import OCI

/// What an operator does to work by hand: `POST /v1/jobs/{id}/cancel` and `…/retry`, `POST /v1/dead-letters/{id}/redrive`,
/// `POST /v1/dead-letters/redrive` for the oldest of all. None takes a body.
package struct JobCommandsController: RouteSet {
    private let queue: JobQueue
    private let records: ArtifactRecords
    private let authority: Authority

    /// Dead letters that one request takes up. What is left is in the answer: ask again.
    private static let redriveLimit = 500

    package init(queue: JobQueue, records: ArtifactRecords, authority: Authority) {
        self.queue = queue
        self.records = records
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/v1/jobs/:id/cancel") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            let found = try await job(context, principal)
            let job = found.id
            let role = found.kind.cancelledBy
            if role > .operator { _ = try await authority.require(role, for: request) }
            let act = AuditLog.Entry(action: "job.cancel", by: principal, on: found)
            guard let cancellation = try await queue.cancel(job: job, of: found.kind, act) else {
                throw Problem.unknownJob(job)
            }
            context.logger.notice(
                "job \(cancellation.rawValue)", metadata: ["job.id": "\(job)", "principal": "\(principal.name)"])
            return try Response.json(
                JobStateAnswer(job: job, state: cancellation.rawValue),
                status: cancellation == .cancelled ? .ok : .accepted)
        }
        router.post("/v1/jobs/:id/retry") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            let found = try await job(context, principal)
            let job = found.id
            let act = AuditLog.Entry(action: "job.retry", by: principal, on: found)
            guard let retry = try await queue.retry(job: job, act) else { throw Problem.unknownJob(job) }
            context.logger.notice(
                "job is due now", metadata: ["job.id": "\(job)", "principal": "\(principal.name)"])
            return try Response.json(JobStateAnswer(job: job, state: retry.rawValue), status: .accepted)
        }
        router.post("/v1/dead-letters/:id/redrive") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            let letter = try context.job
            var act = AuditLog.Entry(action: "dead_letter.redrive", by: principal)
            let found = try await records.deadLetter(letter)
            act.repository = found?.repository.description
            act.subject = found?.digest?.description ?? found?.tag
            act.type = found?.purpose?.predicateType
            guard let found, principal.scope?.allows(found.repository, for: found.purpose) ?? true,
                let job = try await queue.redrive(jobs: [letter], act).first
            else {
                throw Problem(
                    .notFound, "dead_letter.unknown", "no dead letter of job \(letter): it was taken up, or never was")
            }
            context.logger.notice(
                "dead letter redriven",
                metadata: ["job.id": "\(job)", "dead_letter": "\(letter)", "principal": "\(principal.name)"])
            return try Response.json(RedriveAnswer(job: job), status: .accepted)
        }
        router.post("/v1/dead-letters/redrive") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            try authority.refuseConfined(principal)
            let jobs = try await queue.redriveOldest(
                limit: Self.redriveLimit, AuditLog.Entry(action: "dead_letter.redrive", by: principal))
            let left = try await records.deadLetterCount()
            context.logger.notice(
                "dead letters redriven",
                metadata: ["jobs": "\(jobs.count)", "left": "\(left)", "principal": "\(principal.name)"])
            return try Response.json(RedriveAllAnswer(redriven: jobs.count, left: left), status: .accepted)
        }
    }

    /// The job in the path, if it is one of those that the token is for. A job never changes its repository or purpose.
    private func job(_ context: ServiceContext, _ principal: APITokens.Principal) async throws -> JobRecord {
        let id = try context.job
        guard let job = try await records.job(id),
            principal.scope?.allows(job.repository, for: job.purpose) ?? true
        else {
            throw Problem.unknownJob(id)
        }
        return job
    }
}

extension AuditLog.Entry {
    fileprivate init(action: String, by principal: APITokens.Principal, on job: JobRecord) {
        self.init(action: action, by: principal)
        repository = job.repository.description
        subject = job.digest?.description ?? job.tag
        type = job.purpose?.predicateType
    }
}

extension ServiceContext {
    /// The job in the path.
    var job: Int64 {
        get throws(Problem) {
            guard let id = parameters.get("id", as: Int64.self), id > 0 else {
                throw Problem(.badRequest, "api.bad_parameter", "the job in the path must be a number")
            }
            return id
        }
    }
}

extension Problem {
    static func unknownJob(_ id: Int64) -> Problem {
        Problem(.notFound, "job.unknown", "there is no job \(id): it ended, or never was")
    }
}

private struct JobStateAnswer: Encodable {
    let job: Int64
    /// `cancelled`: it waited, and is gone. `cancelling`: it runs, and ends at its next step. `queued`: it is due now.
    /// `signing`: it runs already.
    let state: String
}

private struct RedriveAnswer: Encodable {
    /// The new job; its id is not that of the dead letter.
    let job: Int64
}

private struct RedriveAllAnswer: Encodable {
    let redriven: Int
    let left: Int
}
