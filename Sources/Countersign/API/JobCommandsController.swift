package import Hummingbird
import Logging

/// What an operator does to work by hand: `POST /v1/jobs/{id}/cancel`, `POST /v1/dead-letters/{id}/redrive`,
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
            let principal = try await authority.require(.operator, for: request)
            let job = try Self.id(context)
            guard let cancellation = try await queue.cancel(job: job) else {
                throw Problem(.notFound, "job.unknown", "there is no job \(job): it ended, or never was")
            }
            context.logger.notice(
                "job \(cancellation.rawValue)",
                metadata: ["job.id": "\(job)", "principal": "\(principal?.name ?? "")"])
            return try Response.json(
                CancelAnswer(job: job, state: cancellation.rawValue),
                status: cancellation == .cancelled ? .ok : .accepted)
        }
        router.post("/v1/dead-letters/:id/redrive") { request, context in
            let principal = try await authority.require(.operator, for: request)
            let letter = try Self.id(context)
            guard let job = try await queue.redrive(jobs: [letter]).first else {
                throw Problem(
                    .notFound, "dead_letter.unknown", "no dead letter of job \(letter): it was taken up, or never was")
            }
            context.logger.notice(
                "dead letter redriven",
                metadata: [
                    "job.id": "\(job)", "dead_letter": "\(letter)", "principal": "\(principal?.name ?? "")",
                ])
            return try Response.json(RedriveAnswer(job: job), status: .accepted)
        }
        router.post("/v1/dead-letters/redrive") { request, context in
            let principal = try await authority.require(.operator, for: request)
            let jobs = try await queue.redriveOldest(limit: Self.redriveLimit)
            let left = try await records.deadLetterCount()
            context.logger.notice(
                "dead letters redriven",
                metadata: ["jobs": "\(jobs.count)", "left": "\(left)", "principal": "\(principal?.name ?? "")"])
            return try Response.json(RedriveAllAnswer(redriven: jobs.count, left: left), status: .accepted)
        }
    }

    private static func id(_ context: ServiceContext) throws(Problem) -> Int64 {
        guard let id = context.parameters.get("id", as: Int64.self), id > 0 else {
            throw Problem(.badRequest, "api.bad_parameter", "the job in the path must be a number")
        }
        return id
    }
}

private struct CancelAnswer: Encodable {
    let job: Int64
    /// `cancelled`: it waited, and is gone. `cancelling`: it runs, and ends at its next step.
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
