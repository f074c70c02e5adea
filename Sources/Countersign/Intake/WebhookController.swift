import Curl
import FoundationEssentials
import HTTPTypes
package import Hummingbird
import Logging
import NIOCore

/// `POST /webhooks/{endpoint}`: the HTTP side of ``Intake``.
///
/// The order of refusals: endpoint known (404), secret (401), both on the head alone; size while the body streams (413);
/// secret, where it is shown over the body (401); form (400), commit (503). All else is 202: distribution repeats every
/// other answer for ever and holds back what follows it.
package struct WebhookController: RouteSet {
    let intake: Intake
    let metrics: ServiceMetrics
    /// From the head of a delivery to the end of its body; then the connection is closed.
    let readTimeout: Duration
    /// `Retry-After` of a 503.
    let retryAfter: Duration

    package init(intake: Intake, metrics: ServiceMetrics, configuration: Configuration) {
        self.intake = intake
        self.metrics = metrics
        readTimeout = configuration.listeners.readTimeout
        retryAfter = configuration.intake.retryAfter
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/webhooks/{endpoint}") { request, context in
            try await receive(request, context)
        }
    }

    private func receive(_ request: Request, _ context: ServiceContext) async throws -> Response {
        let started = ContinuousClock.now
        let name = context.parameters.get("endpoint") ?? ""
        let receipt: Intake.Receipt
        do throws(IntakeError) {
            receipt = try await take(request, name, context)
        } catch {
            // An unknown name is the sender's invention: it must not become a label.
            metrics.deliveries.increment(error == .unknownEndpoint ? "unknown" : name, error.code)
            context.logger.warning(
                "delivery refused",
                metadata: ["endpoint": "\(name.prefix(63))", "code": "\(error.code)", "reason": "\(error)"])
            throw problem(error)
        }
        let isStored = receipt.accepted + receipt.known + receipt.refused > 0
        metrics.deliveries.increment(name, isStored ? "stored" : "ignored")
        metrics.deliverySeconds.observe(ContinuousClock.now - started, name)
        return try Response.json(receipt, status: .accepted)
    }

    private func take(
        _ request: Request, _ name: String, _ context: ServiceContext
    ) async throws(IntakeError) -> Intake.Receipt {
        let sender: Intake.Sender
        do throws(IntakeError) {
            let fields = request.headers.map { ($0.name.rawName, $0.value) }
            sender = try intake.admit(to: name, head: HTTPHeaders(fields))
        } catch {
            request.abandonBody(on: context.channel)
            throw error
        }
        let body: [UInt8]
        do {
            body = try await request.collect(upTo: sender.bodyLimit, within: readTimeout, on: context.channel)
        } catch {
            switch error {
            case .tooLarge: throw .tooLarge(limit: sender.bodyLimit)
            case .interrupted: throw .interrupted
            }
        }
        return try await intake.receive(body, from: sender)
    }

    private func problem(_ error: IntakeError) -> Problem {
        let detail = String(error.description.prefix(500))
        switch error {
        case .unknownEndpoint: return Problem(.notFound, error.code, detail).ending
        case .tooLarge: return Problem(.contentTooLarge, error.code, detail).ending
        case .interrupted, .malformed, .tooManyEvents: return Problem(.badRequest, error.code, detail)
        case .unauthorized: return Problem(.unauthorized, error.code, detail).ending
        case .unavailable: return Problem(.serviceUnavailable, error.code, detail, retryAfter: retryAfter)
        }
    }
}
