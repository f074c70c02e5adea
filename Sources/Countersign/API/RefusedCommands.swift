import Hummingbird
import Logging
import OCI
import Synchronization

/// Who a request was found to come from, for those who look at how it ended.
final class RequestCaller: Sendable {
    @TaskLocal static var current: RequestCaller?

    private let found = Mutex<APITokens.Principal?>(nil)

    /// nil until a good token was shown.
    var principal: APITokens.Principal? {
        get { found.withLock { $0 } }
        set { found.withLock { $0 = newValue } }
    }
}

/// Writes what is refused of a command into the audit log, before the refusal is answered: who asked for what, and the code.
/// What is accepted is written by whoever does it, in the same commit.
///
/// The log is for ever, and a token may ask as often as it likes: so many rows a minute are written for each caller, and the
/// next one says how many were not.
struct RefusedCommands: RouterMiddleware {
    typealias Context = ServiceContext

    private let audit: AuditLog
    private let share: RefusalShare

    init(audit: AuditLog, share: RefusalShare = RefusalShare()) {
        self.audit = audit
        self.share = share
    }

    /// The action of each route that changes something, as the audit log calls it.
    static let actions = [
        "POST /v1/sign": "artifact.sign", "PUT /v1/attestations": "attestation.upload",
        "POST /v1/batches": "batch.sign", "POST /v1/resign": "batch.resign",
        "POST /v1/batches/{id}/approve": "batch.approve", "POST /v1/batches/{id}/cancel": "batch.cancel",
        "POST /v1/batches/{id}/resume": "batch.resume", "POST /v1/batches/{id}/retry-failed": "batch.retry",
        "POST /v1/jobs/{id}/cancel": "job.cancel", "POST /v1/jobs/{id}/retry": "job.retry",
        "POST /v1/dead-letters/{id}/redrive": "dead_letter.redrive",
        "POST /v1/dead-letters/redrive": "dead_letter.redrive",
        "POST /v1/revoke": "artifact.revoke", "POST /v1/revoke/release": "artifact.release",
        "POST /v1/reconcile": "reconcile.request", "POST /v1/alerts/{id}/acknowledge": "alert.acknowledge",
    ]

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        guard let route = context.endpointPath, let action = Self.actions["\(request.method.rawValue) \(route)"] else {
            return try await next(request, context)
        }
        let caller = RequestCaller()
        do {
            return try await RequestCaller.$current.withValue(caller) { try await next(request, context) }
        } catch let problem as Problem where problem.isRefusal && !problem.isRecorded {
            // without a good token it is nobody's command
            guard let principal = caller.principal else { throw problem }
            context.logger.notice(
                "command refused",
                metadata: [
                    "principal": "\(principal.name)", "audit.action": "\(action)", "error.code": "\(problem.code)",
                ])
            try await write(problem, action, principal, request, context)
            throw problem
        }
    }

    private func write(
        _ problem: Problem, _ action: String, _ principal: APITokens.Principal, _ request: Request,
        _ context: ServiceContext
    ) async throws {
        guard let unwritten = share.take(for: principal) else { return }
        var entry = AuditLog.Entry(action: action, by: principal)
        // what its path names: what a body names stands in the detail
        entry.subject = context.parameters.get("id").map { id in
            "\(action.prefix { $0 != "." }.replacing("_", with: " ")) \(id)"
        }
        // what is none stands in the detail
        entry.repository = request.parameter("repository").flatMap { try? Repository($0) }?.description
        entry.outcome = .refused
        entry.code = problem.code
        entry.detail = RefusalShare.detail(problem, after: unwritten)
        // in a task of its own: a caller who went away has cancelled this one, and is written down all the same
        let (audit, refused) = (audit, entry)
        try await Task { try await audit.append(refused) }.value
    }
}

extension Problem {
    /// Whether it says no to the caller: not that nobody is known, that too much is asked, or that something of ours is away.
    fileprivate var isRefusal: Bool { (400..<500).contains(status.code) && status.code != 401 && status.code != 429 }
}

/// How many refusals of each caller are written in a minute, in this process.
final class RefusalShare: Sendable {
    /// Rows of a caller in a minute.
    static let rows = 30
    /// Callers that are remembered; beyond so many those of earlier minutes are forgotten.
    private static let callers = 1_000

    private struct Minute {
        var begin: ContinuousClock.Instant
        var written = 0
        var unwritten = 0
    }
    private let minutes = Mutex<[String: Minute]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) { self.now = now }

    /// What a row says of a refusal, and of those before it that have none.
    static func detail(_ problem: Problem, after unwritten: Int) -> String {
        problem.detail + (unwritten > 0 ? "; \(unwritten) refusals before it were not written" : "")
    }

    /// - Returns: nil where this one is not to be written; else how many were not since the last that was.
    func take(for principal: APITokens.Principal) -> Int? {
        let caller = principal.tokenID.map { "token \($0)" } ?? "issuer \(principal.name)"
        let now = now()
        return minutes.withLock { minutes in
            if minutes.count >= Self.callers { minutes = minutes.filter { now - $0.value.begin < .seconds(60) } }
            var minute = minutes[caller] ?? Minute(begin: now)
            if now - minute.begin >= .seconds(60) { (minute.begin, minute.written) = (now, 0) }
            defer { minutes[caller] = minute }
            guard minute.written < Self.rows else {
                minute.unwritten += 1
                return nil
            }
            minute.written += 1
            defer { minute.unwritten = 0 }
            return minute.unwritten
        }
    }
}
