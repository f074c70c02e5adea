import FoundationEssentials
import HTTPTypes
package import Hummingbird
import NIOCore

/// `POST /webhooks/{endpoint}`: the HTTP side of ``Intake``.
///
/// The order of refusals: endpoint known (404), size while it streams (413), secret (401), form (400), commit (503). All else is
/// 202: distribution repeats every other answer for ever and holds back what follows it.
package struct WebhookController: Sendable {
    let intake: Intake
    let metrics: ServiceMetrics
    let retryAfter: Duration

    package init(intake: Intake, metrics: ServiceMetrics, retryAfter: Duration) {
        self.intake = intake
        self.metrics = metrics
        self.retryAfter = retryAfter
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/webhooks/{endpoint}") { request, context in
            try await receive(request, context)
        }
    }

    private func receive(_ request: Request, _ context: ServiceContext) async throws -> Response {
        let started = ContinuousClock.now
        let name = context.parameters.get("endpoint") ?? ""
        do throws(IntakeError) {
            let body = try await collect(request, upTo: try intake.bodyLimit(of: name), context)
            let receipt = try await intake.receive(name, authorization: request.headers[.authorization], body: body)
            let isStored = receipt.accepted + receipt.known + receipt.refused > 0
            metrics.deliveries.increment(name, isStored ? "stored" : "ignored")
            metrics.deliverySeconds.observe(ContinuousClock.now - started, name)
            return try Answer(receipt).response(from: request, context: context)
        } catch {
            // An unknown name is the sender's invention: it must not become a label.
            metrics.deliveries.increment(error == .unknownEndpoint ? "unknown" : name, error.code)
            context.logger.warning(
                "delivery refused",
                metadata: ["endpoint": "\(name.prefix(63))", "code": "\(error.code)", "reason": "\(error)"])
            throw problem(error)
        }
    }

    /// Reads the body and gives up at the limit, whatever the sender promised or goes on to send.
    private func collect(
        _ request: Request, upTo limit: Int, _ context: ServiceContext
    ) async throws(IntakeError) -> [UInt8] {
        let promised = request.headers[.contentLength].flatMap { Int($0) }
        if let promised, promised > limit { throw tooLarge(limit, context) }
        var body: [UInt8] = []
        body.reserveCapacity(min(promised ?? 4096, limit))
        do {
            for try await chunk in request.body {
                guard body.count + chunk.readableBytes <= limit else { throw tooLarge(limit, context) }
                body.append(contentsOf: chunk.readableBytesView)
            }
        } catch let error as IntakeError {
            throw error
        } catch {
            throw .interrupted
        }
        return body
    }

    /// The rest of the body is on its way. The sender gets a moment to read the answer, then the connection ends.
    private func tooLarge(_ limit: Int, _ context: ServiceContext) -> IntakeError {
        let channel = context.channel
        channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        return .tooLarge(limit: limit)
    }

    private func problem(_ error: IntakeError) -> Problem {
        let detail = String(error.description.prefix(500))
        switch error {
        case .unknownEndpoint: return Problem(.notFound, error.code, detail)
        case .tooLarge: return Problem(.contentTooLarge, error.code, detail)
        case .interrupted, .malformed, .tooManyEvents: return Problem(.badRequest, error.code, detail)
        case .unauthorized: return Problem(.unauthorized, error.code, detail)
        case .unavailable: return Problem(.serviceUnavailable, error.code, detail, retryAfter: retryAfter)
        }
    }

    /// What was done with the events, for whoever tries the endpoint by hand; registries do not read it.
    private struct Answer: Encodable {
        let accepted, known, refused, ignored: Int

        init(_ receipt: Intake.Receipt) {
            accepted = receipt.accepted
            known = receipt.known
            refused = receipt.refused
            ignored = receipt.ignored
        }

        func response(from request: Request, context: ServiceContext) throws -> Response {
            let body = try JSONEncoder.service.encode(self)
            return Response(
                status: .accepted, headers: [.contentType: "application/json"],
                body: .init(byteBuffer: ByteBuffer(bytes: body)))
        }
    }
}
