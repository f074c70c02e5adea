import HTTPTypes
package import Hummingbird
import NIOCore

/// How the worker of this process gets on; the readiness answer is made from it.
package protocol WorkerProgress: Sendable {
    /// Since it last looked at the queue or finished a step; nil where no worker runs.
    var sinceLastStep: Duration? { get }
    /// Beyond this it counts as stuck: it polls each second, and no step of an attempt takes so long.
    var longestSilence: Duration { get }
    /// Whether it has been told to stop.
    var isStopping: Bool { get }
}

/// `/healthz`, `/readyz`, `/metrics`.
package struct OperationsController: RouteSet {
    private let metrics: ServiceMetrics
    private let progress: any WorkerProgress
    private let areDoorsOpen: @Sendable () -> Bool
    private let databaseFault: @Sendable () async -> String?

    /// - Parameters:
    ///   - areDoorsOpen: whether all doors listen: this one may be open before those that traffic is for.
    ///   - databaseFault: asks the database the smallest question; the code of what went wrong, or nil.
    package init(
        metrics: ServiceMetrics, progress: any WorkerProgress, areDoorsOpen: @escaping @Sendable () -> Bool,
        databaseFault: @escaping @Sendable () async -> String?
    ) {
        self.metrics = metrics
        self.progress = progress
        self.areDoorsOpen = areDoorsOpen
        self.databaseFault = databaseFault
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        // Alive: this process answers. Restarting it mends nothing else, so nothing else is asked.
        router.get("/healthz") { _, _ in try Response.json(["status": "ok"]) }
        router.get("/readyz") { _, _ in try await readiness() }
        router.get("/metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: await metrics.registry.scrape())))
        }
    }

    private struct Readiness: Encodable {
        struct Check: Encodable {
            let ok: Bool
            var code: String?
            var age: Double?

            enum CodingKeys: String, CodingKey {
                case ok, code
                case age = "age_seconds"
            }
        }
        let ready: Bool
        let listeners: Check
        let database: Check
        let worker: Check
    }

    private func readiness() async throws -> Response {
        let fault = await databaseFault()
        let isListening = areDoorsOpen()
        let silence = progress.sinceLastStep
        let isWorking = !progress.isStopping && (silence ?? .zero) <= progress.longestSilence
        let code = progress.isStopping ? "worker.stopping" : isWorking ? nil : "worker.stuck"
        let answer = Readiness(
            ready: isListening && fault == nil && isWorking,
            listeners: .init(ok: isListening, code: isListening ? nil : "listener.closed"),
            database: .init(ok: fault == nil, code: fault),
            worker: .init(ok: isWorking, code: code, age: silence.map { $0 / .seconds(1) }))
        return try Response.json(answer, status: answer.ready ? .ok : .serviceUnavailable)
    }
}
