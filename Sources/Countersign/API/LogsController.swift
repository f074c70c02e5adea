import Hummingbird

/// `GET /v1/logs`: the logs that our tables know, with how many entries of ours they have and what they said last. No log is
/// asked.
struct LogsController: RouteSet {
    let records: LogRecords
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/logs") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            return try Response.json(Answer(logs: try await records.known().map(LogAnswer.init)))
        }
    }

    private struct Answer: Encodable {
        let logs: [LogAnswer]
    }
}
