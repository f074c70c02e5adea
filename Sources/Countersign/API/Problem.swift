import FoundationEssentials
package import HTTPTypes
package import Hummingbird
import Logging
import NIOCore

/// A refusal as an RFC 9457 problem document (`application/problem+json`), with a stable `code` for machines.
package struct Problem: Error, Sendable, Equatable {
    package let status: HTTPResponse.Status
    /// Stable, dotted, as `api.unauthorized`.
    package let code: String
    /// For the reader of this occurrence; holds nothing secret.
    package let detail: String
    /// What to do about it.
    package let fix: String
    /// Seconds after which the request may succeed.
    package var retryAfter: Duration?
    /// Answered before its body was read: the connection ends with this answer, and the answer says so. A client that does not
    /// know would send its next request into the end.
    package var endsConnection = false
    /// It stands in the audit log already.
    package var isRecorded = false

    /// - Parameter fix: where it is another than the code's usual one.
    package init(
        _ status: HTTPResponse.Status, _ code: String, _ detail: String, fix: String? = nil, retryAfter: Duration? = nil
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.fix = fix ?? Self.fixes[code] ?? Self.otherFix
        self.retryAfter = retryAfter
    }

    /// For an error that nobody foresaw: nothing of it reaches the caller, the log has it.
    init(unexpected error: any Error, _ logger: Logger) {
        Self.log(error, logger)
        self.init(.internalServerError, "http.internal", "the request failed; the log says why")
    }

    /// What the caller is not told, and somebody has to mend.
    static func log(_ error: any Error, _ logger: Logger) {
        let failure = AttemptFailure(error).failure
        logger.error(
            "request failed",
            metadata: ["code": "\(failure.code)", "observed": "\(failure.observed)", "fix": "\(failure.fix)"])
    }

    /// The same, with ``endsConnection``.
    var ending: Problem {
        var problem = self
        problem.endsConnection = true
        return problem
    }

    private struct Document: Encodable {
        let type = "about:blank"
        let title: String
        let status: Int
        let code: String
        let detail: String
        let fix: String
    }
}

extension Problem: HTTPResponseError {
    package func response(from request: Request, context: some RequestContext) throws -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        if let retryAfter { headers[.retryAfter] = "\(max(1, Int((retryAfter / .seconds(1)).rounded(.up))))" }
        if endsConnection { headers[.connection] = "close" }
        if status == .unauthorized { headers[.wwwAuthenticate] = "Bearer" }
        let document = Document(title: status.reasonPhrase, status: status.code, code: code, detail: detail, fix: fix)
        let body = try JSONEncoder.service.encode(document)
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// Turns everything that is thrown below it into a problem document; nothing of an unknown error reaches the caller.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = ServiceContext

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let problem as Problem {
            return try problem.response(from: request, context: context)
        } catch let error as QueueError where error.isTransient || error.isWithoutConnection {
            if !error.isTransient { Problem.log(error, context.logger) }
            return try Problem(
                .serviceUnavailable, "api.unavailable", "the database does not answer", retryAfter: .seconds(5)
            )
            .response(from: request, context: context)
        } catch let error as HTTPError {
            let code = error.status == .notFound ? "http.not_found" : "http.\(error.status.code)"
            return try Problem(error.status, code, error.body ?? error.status.reasonPhrase)
                .response(from: request, context: context)
        } catch {
            return try Problem(unexpected: error, context.logger).response(from: request, context: context)
        }
    }
}
