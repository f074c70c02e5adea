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
        let standings = try await standings(of: subjects)
        return subjects.map { subject in
            let done = plan(for: subject, request, standings)
            let isGrouped = request.grouping != nil && done.failure == nil
            return BatchVerdict(
                subject: subject, plan: done,
                alone: isGrouped ? alone(subject.repository, formats: request.formats) : nil)
        }
    }

    /// Why the policy refuses a member; `nil` when it does not.
    func refusal(_ repository: Repository, formats: [SignatureFormat]?) -> Failure? {
        guard registries.contains(repository.registry) else {
            return Self.refused(Registries.unknownCode, "registry '\(repository.registry)' is not configured")
        }
        switch policy.decide(repository, tagged: nil) {
        case .refuse(let reason): return Self.refused(SigningPolicy.refusedCode, reason)
        case .sign(let rule):
            if let missing = formats?.first(where: { !rule.formats.contains($0) }) {
                return Self.refused(
                    SignArtifact.formatCode, "rule '\(rule.name)' does not sign in the format \(missing.rawValue)")
            }
            return nil
        }
    }

    /// Why digests there are signed each by itself, although a batch groups them: the older format is wanted, and no statement
    /// about many digests has it. `nil` where nothing is signed, or nothing stands in the way.
    func alone(_ repository: Repository, formats: [SignatureFormat]?) -> Failure? {
        guard case .sign(let rule) = policy.decide(repository, tagged: nil),
            rule.formats(asked: formats.map(Set.init)).contains(.legacy)
        else { return nil }
        return Failure(
            code: "batch.grouping_legacy", stage: "authorise",
            observed: "rule '\(rule.name)' signs in the format legacy, which no statement about many digests has",
            fix: "formats: [bundle], if the rule has that and a bundle is enough")
    }

    /// Why no two of the subjects could be signed together, although something is to be signed; `nil` if some could.
    func aloneEverywhere(_ subjects: [BatchSubject], _ request: BatchRequest) -> Failure? {
        guard request.grouping != nil else { return nil }
        let signed = Set(subjects.map(\.repository)).filter { refusal($0, formats: request.formats) == nil }
        let reasons = signed.compactMap { alone($0, formats: request.formats) }
        return reasons.count == signed.count ? reasons.first : nil
    }

    private static func refused(_ code: String, _ observed: String) -> Failure {
        Failure(code: code, stage: "authorise", observed: observed, fix: "change the policy, then retry-failed")
    }

    static let revoked = Failure(
        code: Lineage.revokedCode, stage: "authorise", observed: "the digest was revoked in this repository",
        fix: "countersign release, if it may be signed again")

    static let neverSigned = Failure(
        code: "artifact.never_signed", stage: "authorise", observed: "there is no signature of ours to make anew",
        fix: "countersign sign, or a batch without resign")

    static let lacking = Failure(
        code: SignArtifact.formatCode, stage: "authorise",
        observed: "it is signed, but not in every format that was asked for",
        fix: "see the formats of its rule, then retry-failed")

    private func plan(
        for subject: BatchSubject, _ request: BatchRequest, _ standings: [Key: Standing]
    ) -> BatchVerdict.Plan {
        if let refusal = refusal(subject.repository, formats: request.formats) { return .refuse(refusal) }
        guard let digest = subject.digest else { return .resolve }
        let standing = standings[Key(repository: subject.repository, digest: digest)]
        switch (standing?.state, request.action) {
        case (.revoked, _): return .revoked(Self.revoked)
        case (.signed, .resign): return .resign
        case (nil, .resign): return .refuse(Self.neverSigned)
        case (.signed, .sign): return lacksFormat(standing, subject.repository, request) ? .sign : .recheck
        case (.queued, _), (.signing, _), (.waiting, _): return .join
        default: return .sign
        }
    }

    private func lacksFormat(_ standing: Standing?, _ repository: Repository, _ request: BatchRequest) -> Bool {
        guard case .sign(let rule) = policy.decide(repository, tagged: nil), let served = standing?.formats else {
            return false
        }
        return !served.isSuperset(of: rule.formats(asked: request.formats.map(Set.init)))
    }

    /// Of the newest generation.
    private struct Standing: Sendable {
        let state: TargetState
        /// In which the registry was last seen to serve its signature.
        let formats: Set<SignatureFormat>
    }

    private struct Key: Hashable {
        let repository: Repository
        let digest: Digest
    }

    private func standings(of subjects: [BatchSubject]) async throws(QueueError) -> [Key: Standing] {
        var keys = Set<Key>()
        for subject in subjects {
            if let digest = subject.digest { keys.insert(Key(repository: subject.repository, digest: digest)) }
        }
        let asked = Array(keys)
        var standings: [Key: Standing] = [:]
        for start in stride(from: 0, to: asked.count, by: 1_000) {
            let some = Array(asked[start..<min(start + 1_000, asked.count)])
            let rows = try await pool.rows(
                """
                SELECT k.n, t.state, \(SignatureFormat.served) AS formats
                FROM unnest(\(some.map(\.repository.registry))::text[], \(some.map(\.repository.name))::text[],
                    \(some.map(\.digest.description))::text[]) WITH ORDINALITY AS k(registry, name, digest, n)
                JOIN countersign.repository r ON r.registry = k.registry AND r.name = k.name
                CROSS JOIN LATERAL (
                    SELECT id, state FROM countersign.target
                    WHERE digest = k.digest AND repository_id = r.id AND purpose = \(Purpose.signature.rawValue)::text
                    ORDER BY generation DESC LIMIT 1) AS t
                """
            ).values { row -> (Int, Standing?) in
                let state = TargetState(rawValue: try row.decode("state", as: String.self))
                let formats = try row.formats("formats") ?? []
                return (
                    Int(try row.decode("n", as: Int64.self)) - 1, state.map { Standing(state: $0, formats: formats) }
                )
            }
            for (index, standing) in rows { standings[some[index]] = standing }
        }
        return standings
    }
}
