import HTTPTypes

extension LogEntriesController {
    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/log-entries", "logEntries",
            "Our entries in the logs, newest first, also those that were put aside.", access: .role(.viewer),
            reach: .one,
            parameters: [
                .query("ref", .string, "host/repository, with @digest or :tag or without"),
                .query("identity", .string, "the certificate's subject alternative name, exactly"),
                .query("issuer", .string, "who vouched for it, exactly"),
                .query("digest", .string, "the artifact that was signed"),
                .query("index", .integer(0...Int.max), "the entry's index in its log"),
                .query("log", .string, "the log's URL, or its id in hex"),
                .query("uuid", .string, "80 hex digits, or the last 64 of them"),
                .query("from", .dayOrMoment, "a day or time: recorded then or later"),
                .query("to", .dayOrMoment, "a day or time: recorded before"), .limit, .before,
            ],
            answers: [
                .json(
                    200, "a page, and how many there are in all",
                    .object(
                        ["count": .count, "count_is_capped": .boolean, "entries": .list(of: .logEntry)],
                        optional: ["next": .id]))
            ],
            problems: [400: ["api.bad_parameter", "reference.malformed"], 404: ["artifact.unknown"]]),
        Operation(
            .get, "/v1/log-entries/{id}", "logEntry", "One entry, with its body and proof.", access: .role(.viewer),
            reach: .filtered, parameters: [.path("id", .id, "our number for it")],
            answers: [.json(200, "the entry", .logEntry)], problems: [404: ["log_entry.unknown"]]),
        Operation(
            .get, "/v1/log-entries/{id}/checkpoint", "logEntryCheckpoint",
            "What is stored of the checkpoint that an entry came with, and of its tree since.", access: .role(.viewer),
            reach: .filtered, parameters: [.path("id", .id, "our number for it")],
            answers: [
                .json(
                    200, "what is stored",
                    .object(
                        [:],
                        optional: [
                            "origin": .string, "stored": .storedCheckpoint, "newest": .storedCheckpoint,
                            "alarm": .logAlarm,
                        ]))
            ], problems: [404: ["log_entry.unknown"]]),
    ]
}

extension Schema {
    static let logEntry = object(
        [
            "id": id, "state": one(of: ["live", "abandoned"]), "format": string, "log": string, "log_id": string,
            "log_index": count, "logged_at": time,
            "subjects": list(
                of: object(
                    ["reference": string, "state": state],
                    optional: ["predicate_type": string, "attachment": digest])),
        ],
        optional: [
            "abandoned_at": time, "reason": string, "log_uuid": string, "integrated_at": time, "identity": string,
            "issuer": string,
            "audit_position": count.described("Of a head of the audit log, which has no subjects: its position."),
            "entry": anything.described("The entry as the log gave it, in the form that it has in a bundle."),
        ]
    ).named("LogEntry")
}
