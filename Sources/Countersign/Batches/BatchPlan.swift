import OCI
import Postgres

/// What would be done with each reference, by the policy and the records of now. Writes nothing: a dry run is this and no
/// more; a batch that is stored is judged again when its members enter the queue, and by the job itself.
struct BatchPlan: Sendable {
    let policy: SigningPolicy
    /// Canonical names of the registries that the configuration has.
    let registries: Set<String>
    let pool: ConnectionPool

    /// In the order given.
    func verdicts(
        on subjects: [BatchSubject], _ request: BatchRequest
    ) async throws(QueueError) -> [BatchVerdict] {
        let states = try await states(of: subjects)
        return subjects.map { subject in
            BatchVerdict(subject: subject, plan: plan(for: subject, request, states))
        }
    }

    /// Why the policy refuses a member; `nil` when it does not.
    func refusal(_ repository: Repository, formats: [SignatureFormat]?) -> Failure? {
        guard registries.contains(repository.registry) else {
            return Self.refused("registry.unknown", "registry '\(repository.registry)' is not configured")
        }
        switch policy.decide(repository, tagged: nil) {
        case .refuse(let reason): return Self.refused("policy.refused", reason)
        case .sign(let rule):
            if let missing = formats?.first(where: { !rule.formats.contains($0) }) {
                return Self.refused(
                    "policy.format", "rule '\(rule.name)' does not sign in the format \(missing.rawValue)")
            }
            return nil
        }
    }

    private static func refused(_ code: String, _ observed: String) -> Failure {
        Failure(code: code, stage: "authorise", observed: observed, fix: "change the policy, then retry-failed")
    }

    static let revoked = Failure(
        code: "artifact.revoked", stage: "authorise", observed: "the digest was revoked in this repository",
        fix: "countersign release, if it may be signed again")

    static let neverSigned = Failure(
        code: "artifact.never_signed", stage: "authorise", observed: "there is no signature of ours to make anew",
        fix: "countersign sign, or a batch without resign")

    private func plan(
        for subject: BatchSubject, _ request: BatchRequest, _ states: [Key: TargetState]
    ) -> BatchVerdict.Plan {
        if let refusal = refusal(subject.repository, formats: request.formats) { return .refuse(refusal) }
        guard let digest = subject.digest else { return .resolve }
        let state = states[Key(repository: subject.repository, digest: digest)]
        switch (state, request.action) {
        case (.revoked, _): return .revoked(Self.revoked)
        case (.signed, .resign): return .resign
        case (nil, .resign): return .refuse(Self.neverSigned)
        case (.signed, .sign): return .recheck
        case (.queued, _), (.signing, _), (.waiting, _): return .join
        default: return .sign
        }
    }

    private struct Key: Hashable {
        let repository: Repository
        let digest: Digest
    }

    /// States of the newest generations.
    private func states(of subjects: [BatchSubject]) async throws(QueueError) -> [Key: TargetState] {
        var keys = Set<Key>()
        for subject in subjects {
            if let digest = subject.digest { keys.insert(Key(repository: subject.repository, digest: digest)) }
        }
        let asked = Array(keys)
        var states: [Key: TargetState] = [:]
        for start in stride(from: 0, to: asked.count, by: 1_000) {
            let some = Array(asked[start..<min(start + 1_000, asked.count)])
            let rows = try await pool.rows(
                """
                SELECT k.n, t.state
                FROM unnest(\(some.map(\.repository.registry))::text[], \(some.map(\.repository.name))::text[],
                    \(some.map(\.digest.description))::text[]) WITH ORDINALITY AS k(registry, name, digest, n)
                JOIN countersign.repository r ON r.registry = k.registry AND r.name = k.name
                CROSS JOIN LATERAL (
                    SELECT state FROM countersign.target
                    WHERE digest = k.digest AND repository_id = r.id AND purpose = \(Purpose.signature.rawValue)::text
                    ORDER BY generation DESC LIMIT 1) AS t
                """
            ).values { row -> (Int, TargetState?) in
                (
                    Int(try row.decode("n", as: Int64.self)) - 1,
                    TargetState(rawValue: try row.decode("state", as: String.self))
                )
            }
            for (index, state) in rows { states[some[index]] = state }
        }
        return states
    }
}
