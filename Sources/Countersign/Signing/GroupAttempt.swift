import FailPoints
import FoundationEssentials
import Logging
import OCI
import Sigstore

/// One attempt at the jobs of a group:
///
///     gather → each: authorise → fetch → adopt? → together: one statement, ▮prepare, log, ▮verify → each: publish → settle
///
/// Every job keeps its own lease and its own end; one that may not be signed, or not now, leaves the others alone. What has
/// evidence of its own takes the ordinary line.
struct GroupAttempt: Sendable {
    let attempt: Attempt
    /// The line of one by itself.
    private let ordinary: SignArtifact
    let held: HeldClaims
    /// Members that are looked at, or published, at once.
    private let width: Int

    /// How often a statement is made anew because members fell out of it; afterwards all wait a moment.
    private static let rounds = 4

    private var line: GroupLine { GroupLine(line: ordinary.line) }
    private var journal: Journal { ordinary.line.journal }

    init(_ attempt: Attempt, held: HeldClaims, width: Int) {
        self.attempt = attempt
        ordinary = SignArtifact(attempt.parts)
        self.held = held
        self.width = width
    }

    /// Works the claims, which are of one group and held, and whatever else of the group nobody holds. Never throws: each
    /// job is settled, put back or left to its lease, and held no more.
    func callAsFunction(_ claims: [Claim]) async {
        await Lane.$ofAttempt.withValue(claims.first?.lane) { await work(claims) }
    }

    private func work(_ claims: [Claim]) async {
        let claims = claims + (await gathered(with: claims))
        let standing: [Int64: EvidenceStanding]
        do { standing = try await journal.standing(of: claims.compactMap(\.target)) } catch {
            return await fail(claims, error)
        }
        var (alone, begun, fresh): ([Claim], [Int64: [GroupMember]], [GroupMember]) = ([], [:], [])
        var (later, failed): ([Claim], [(Claim, AttemptFailure)]) = ([], [])
        for look in await each(claims, { await look(at: $0, standing) }) {
            switch look {
            case .alone(let claim): alone.append(claim)
            case .begun(let evidence, let member): begun[evidence, default: []].append(member)
            case .fresh(let member): fresh.append(member)
            case .later(let claim): later.append(claim)
            case .failed(let claim, let failure): failed.append((claim, failure))
            case .ended: break
            }
        }
        await putBack(later)
        await end(failed)
        for members in begun.values { await finish(members) }
        for members in Dictionary(grouping: fresh, by: terms).values { alone += await sign(members) }
        await putBack(await each(alone, { await byItself($0) }).compactMap { $0 })
    }

    /// Jobs of several tenants may have come into one group, by an older daemon or a configuration that was another.
    private func terms(_ member: GroupMember) -> StatementTerms {
        StatementTerms(member.order.rule, in: member.order.target.repository, attempt.queue.tenants)
    }

    private func gathered(with claims: [Claim]) async -> [Claim] {
        guard let group = claims.first?.groupID else { return [] }
        do {
            let more = try await FailPoint.groupGather.around(QueueError.injected) {
                try await attempt.queue.gather(group, limit: Statement.maxSubjects - claims.count)
            }
            await held.join(more)
            return more
        } catch {
            let failure = AttemptFailure(error).failure
            attempt.logger.warning(
                "the rest of a group was not claimed",
                metadata: [
                    "group.id": "\(group)", "error.code": "\(failure.code)", "error": "\(failure.observed)",
                ])
            return []
        }
    }

    // MARK: Each by itself

    private enum Look: Sendable {
        /// It may be in a statement.
        case fresh(GroupMember)
        /// It has a group's evidence, which is to be finished.
        case begun(Int64, GroupMember)
        /// It has evidence of its own, or more than a bundle is wanted of it: the ordinary line's.
        case alone(Claim)
        /// This process is going away.
        case later(Claim)
        case failed(Claim, AttemptFailure)
        case ended
    }

    private func look(at claim: Claim, _ standing: [Int64: EvidenceStanding]) async -> Look {
        guard await held.isGoingOn else { return .later(claim) }
        guard claim.kind == .sign, case .target(let target, isRecheck: false) = claim.subject else {
            return .alone(claim)
        }
        let known = standing[target.id]
        if let known, !known.isOfGroup || known.isPublished { return .alone(claim) }
        let trace = AttemptTrace(claim, logger: attempt.logger, metrics: attempt.metrics)
        do {
            switch try await ordinary.approve(target, claim, trace) {
            case .ended(let outcome):
                await end(claim, outcome, trace)
                return .ended
            case .approved(let approved):
                let isCapped = ordinary.line.signers.caps.cover(target)
                guard approved.order.formats == [.bundle], !isCapped else { return .alone(claim) }
                let member = GroupMember(approved: approved, trace: trace)
                if let known { return .begun(known.id, member) }
                return try await isAdopted(member) ? .alone(claim) : .fresh(member)
            }
        } catch {
            let failed = failure(error)
            trace.note(
                .warning, "\(failed.failure.observed)",
                ["stage": "\(failed.failure.stage)", "error.code": "\(failed.failure.code)"])
            return .failed(claim, failed)
        }
    }

    /// Whether the registry has a signature of ours already, which is recorded then.
    private func isAdopted(_ member: GroupMember) async throws -> Bool {
        let signer = try ordinary.line.signers.signer(for: member.order.rule)
        return try await member.trace.stage(.adopt) {
            try await !Adoption(
                journal: journal, signer: signer, policy: ordinary.policy, tenants: attempt.queue.tenants
            ).adopt([.bundle], for: member.order).isEmpty
        }
    }

    /// - Returns: the claim, if it was not begun because this process is going away.
    private func byItself(_ claim: Claim) async -> Claim? {
        guard await held.isGoingOn else { return claim }
        await held.running(claim) { await attempt(claim) }
        return nil
    }

    // MARK: Together

    /// - Returns: those that fell out of the statement, for the ordinary line, which says of each why.
    private func sign(_ members: [GroupMember]) async -> [Claim] {
        var (members, fallen): ([GroupMember], [Claim]) = (members, [])
        for _ in 0..<Self.rounds {
            guard await held.isGoingOn else {
                await putBack(members.map(\.claim))
                return fallen
            }
            // a statement of one is the ordinary one
            guard members.count > 1 else { return fallen + members.map(\.claim) }
            do {
                let statement = members
                switch try await together(members, { try await line.prepare(statement, statement[0].trace) }) {
                case .committed(let evidence):
                    attempt.metrics.groups.increment()
                    attempt.metrics.groupSubjects.increment(by: Double(members.count))
                    await finish(evidence, members)
                    return fallen
                case .fallen(let jobs):
                    fallen += members.map(\.claim).filter { jobs.contains($0.jobID) }
                    members.removeAll { jobs.contains($0.claim.jobID) }
                }
            } catch {
                await fail(members.map(\.claim), error)
                return fallen
            }
        }
        await fail(members.map(\.claim), SigningError.groupBusy)
        return fallen
    }

    /// Runs what is done for all members at once, for as long as the lease is trusted of the one in whose name it is done.
    private func together<Result: Sendable>(
        _ members: [GroupMember], _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await members[0].claim.lease.lasting(work)
    }

    /// Goes on with what an earlier attempt committed.
    private func finish(_ members: [GroupMember]) async {
        do {
            guard let evidence = try await journal.evidence(of: members[0].order.target) else {
                throw QueueError.leaseLost(jobID: members[0].claim.jobID)
            }
            let covered = try GroupLine.covered(by: evidence, members)
            let tokens = Set(covered.map(\.claim.leaseToken))
            // one that is not in the statement does not hold up the others
            for member in members where !tokens.contains(member.claim.leaseToken) {
                await fail(
                    [member.claim],
                    SigningError.evidenceUnusable("its group's statement is not about \(member.order.target.digest)"))
            }
            if !covered.isEmpty { await finish(evidence, covered) }
        } catch {
            await fail(members.map(\.claim), error)
        }
    }

    private func finish(_ evidence: Evidence, _ members: [GroupMember]) async {
        let logged: [(member: GroupMember, logged: LoggedEvidence)]
        do {
            logged = try await together(members) { try await line.logged(evidence, members, members[0].trace) }
        } catch {
            return await fail(members.map(\.claim), error)
        }
        let standing = Set(logged.map(\.member.claim.leaseToken))
        // revoked meanwhile, or lost: of those that are still held the leases need not run out
        await putBack(members.map(\.claim).filter { !standing.contains($0.leaseToken) })
        guard let bundle = logged.first?.logged.artefact.bundle else { return }
        let shared = SharedBundle(bundle)
        let left = await each(logged) { (member, logged) -> Claim? in
            guard await held.isGoingOn else { return member.claim }
            await held.running(member.claim) { await publish(member, logged, shared) }
            return nil
        }
        await putBack(left.compactMap { $0 })
    }

    private func publish(_ member: GroupMember, _ logged: LoggedEvidence, _ shared: SharedBundle) async {
        let outcome: Outcome?
        do {
            let manifest = try await member.claim.lease.lasting {
                let manifest = try await FailPoint.groupMember.around(SigningStage.publish.injected) {
                    try await ordinary.publication.publish(logged, member.order, member.trace, sharing: shared)
                }
                try await ordinary.follow(member.approved, member.trace)
                return manifest
            }
            outcome = .signed(
                logged.record(member.order, manifest: manifest, policyVersion: ordinary.policy.version))
        } catch {
            outcome = await attempt.outcome(of: error, for: member.claim, member.trace)
        }
        if let outcome { await attempt.end(member.claim, as: outcome, member.trace) }
    }

    /// Runs `work` on each item, no more than `width` at once; the results in the order in which they come.
    private func each<Item: Sendable, Result: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async -> Result
    ) async -> [Result] {
        await withTaskGroup(of: Result.self) { group in
            var results: [Result] = []
            for (position, item) in items.enumerated() {
                if position >= width, let result = await group.next() { results.append(result) }
                group.addTask { await work(item) }
            }
            for await result in group { results.append(result) }
            return results
        }
    }
}
