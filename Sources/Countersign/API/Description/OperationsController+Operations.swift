import HTTPTypes

extension OperationsController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/healthz", "healthz", "Whether this process answers.", access: .anybody,
            answers: [.json(200, "it does", .object(["status": .one(of: ["ok"])]))]),
        Operation(
            .get, "/readyz", "readyz", "Whether traffic should come here.", access: .anybody,
            answers: [.json(200, "it should", readiness), .json(503, "it should not", readiness)]),
        Operation(
            .get, "/metrics", "metrics", "Figures for Prometheus.", access: .anybody,
            answers: [.bytes(200, "text format 0.0.4", "text/plain")]),
    ]

    private static let readiness = Schema.object([
        "ready": .boolean, "listeners": .object(["ok": .boolean], optional: ["code": .string]),
        "database": .object(["ok": .boolean], optional: ["code": .string]),
        "worker": .object(["ok": .boolean], optional: ["code": .string, "age_seconds": .number]),
    ])
}
