import HTTPTypes

extension LogsController {
    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/logs", "logs", "The logs that we have entries in, or whose checkpoints are stored.",
            access: .role(.viewer), reach: .everything,
            answers: [.json(200, "each of them, by URL", .object(["logs": .list(of: log)]))])
    ]

    private static let log = Schema.object(
        [
            "log": .string,
            "entries": .list(
                of: .object([
                    "log_id": .string, "count": .count.described("Live entries of ours under that key."),
                    "count_is_capped": .boolean, "newest_index": .count, "newest_at": .time,
                ])),
            "trees": .list(
                of: .object(
                    [
                        "origin": .string, "newest": .storedCheckpoint,
                        "waiting": .count.described("Checkpoints that wait for their proof."),
                    ], optional: ["proven": .storedCheckpoint])),
        ], optional: ["alarm": .logAlarm]
    ).named("Log")
}

extension Schema {
    static let logAlarm = string.described("Why nothing is entered in the log: it contradicted itself.")

    static let storedCheckpoint = object(
        ["size": count, "root_hash": string, "seen_at": time, "note": string],
        optional: ["proven_at": time.described("When it was proven to lie in the log's history.")]
    ).named("StoredCheckpoint")
}
