import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// A service of the lab: requests in, answers out. It knows nothing of sockets, latencies and faults.
protocol LabSite: Sendable {
    var service: LabService { get }
    /// The path of the one call that signs, and that a configured latency slows.
    func isSigningCall(_ path: String) -> Bool
    func answer(_ request: LabRequest) async throws -> Answer
}

/// The request's connection, which a fault may have to close.
struct LabContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// The way in to one site: admin calls, faults, latency, then the site itself.
struct LabResponder: HTTPResponder {
    /// A 40 MB document in an envelope is 54 MB of base64.
    static let maxBodyBytes = 96 << 20

    let site: any LabSite
    let board: FaultBoard
    let admin: LabAdmin
    let latency: Duration
    let logger: Logger

    func respond(to request: Request, context: LabContext) async throws -> Response {
        let path = request.uri.path
        let isPost = request.method == .post
        guard !path.hasPrefix(AdminDoor.path) else {
            return await AdminDoor(board: board, service: site.service, admin: admin)
                .answer(try await labRequest(request, FaultBoard.Hit())).response
        }
        var hit = board.take(for: site.service, isPost: isPost, path: path)
        do {
            for fault in try FaultForm.faults(inHeader: request.headers[.labFault] ?? "") { hit.add(fault.effect) }
        } catch {
            return Answer.json(["error": "\(error)"], status: .badRequest).response
        }
        if let status = hit.status {
            return refusal(status.code, retryAfter: status.retryAfter).response
        }
        let answer = await carryOut(request, hit)
        logger.debug(
            "answered",
            metadata: ["path": "\(path)", "status": "\(answer.status.code)", "lab.fault": "\(hit.dropsAnswer)"])
        let wait = hit.delay + (isPost && site.isSigningCall(path) ? latency : .zero)
        if wait > .zero { try await Task.sleep(for: wait) }
        if hit.dropsAnswer {
            // The write of whatever is returned now fails on the closed connection: no byte of it leaves.
            try await context.channel.close()
        }
        return answer.response
    }

    private func carryOut(_ request: Request, _ hit: FaultBoard.Hit) async -> Answer {
        do {
            return try await site.answer(try await labRequest(request, hit))
        } catch is NIOTooManyBytesError {
            return Answer(.contentTooLarge)
        } catch {
            logger.error("lab service failed", metadata: ["error": "\(error)"])
            return .json(["error": "\(error)"], status: .internalServerError)
        }
    }

    private func labRequest(_ request: Request, _ hit: FaultBoard.Hit) async throws -> LabRequest {
        let body = try await request.body.collect(upTo: Self.maxBodyBytes)
        var query: [String: String] = [:]
        for (name, value) in request.uri.queryParameters { query[String(name)] = String(value) }
        return LabRequest(
            method: request.method, path: request.uri.path, query: query, headers: request.headers,
            body: Array(body.readableBytesView), now: Date().addingTimeInterval(hit.clockOffset / .seconds(1)),
            refusesToken: hit.refusesToken, distortions: hit.distortions)
    }

    private func refusal(_ status: Int, retryAfter: Int?) -> Answer {
        var answer = Answer.json(
            Refusal(code: status, message: "fault set by hand"), status: HTTPResponse.Status(code: status))
        if let retryAfter { answer.headers[.retryAfter] = String(retryAfter) }
        return answer
    }

    private struct Refusal: Encodable {
        let code: Int
        let message: String
    }
}
