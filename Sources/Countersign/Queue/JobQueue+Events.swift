import OCI
import Postgres

extension JobQueue {
    /// What arrived, for the record; work that is derived from other work has no row.
    static func insertEvents(
        _ requests: [EnqueueRequest], _ items: [EnqueueResult.Item], in session: Session
    ) throws {
        let events = zip(requests, items).compactMap { request, item in
            request.delivery.map { (request: request, item: item, delivery: $0) }
        }
        guard !events.isEmpty else { return }
        _ = try session.execute(
            """
            INSERT INTO countersign.event (source, delivery_key, registry, repository, digest, tag, media_type, actor,
                verdict, reason, policy_version, target_id, body)
            SELECT * FROM unnest(
                \(events.map { $0.request.source.recorded(255) })::text[], \(events.map(\.delivery.key))::bytea[],
                \(events.map { $0.request.registry.recorded(255) })::text[],
                \(events.map { $0.request.repository.recorded(255) })::text[],
                \(events.map { $0.request.digest?.description })::text[],
                \(events.map { $0.request.tag?.recorded(128) })::text[],
                \(events.map { $0.request.mediaType?.recorded(255) })::text[],
                \(events.map { $0.request.actor?.recorded(255) })::text[],
                \(events.map(\.item.verdict.rawValue))::text[],
                \(events.map { $0.request.verdict.reason?.recorded(500) })::text[],
                \(events.map(\.request.verdict.policyVersion))::text[],
                \(events.map(\.item.targetID))::bigint[], \(events.map(\.delivery.body))::bytea[])
            """)
    }
}

extension EnqueueRequest.Verdict {
    fileprivate var reason: String? {
        switch self {
        case .accepted: nil
        case .refused(let reason): reason
        }
    }
    fileprivate var policyVersion: String? {
        if case .accepted(_, let version) = self { version } else { nil }
    }
}

extension String {
    /// What a payload claimed, cut to what a column takes.
    func recorded(_ limit: Int) -> String { Failure.printable(self, limit: limit) }
}
