import Curl
import Sigstore

extension SigningServices {
    /// Runs `make`, which makes new signatures, with leave for all that they will need after their certificate. It is asked
    /// for before a certificate is: while a log is down, or busy, nothing is signed for it, and no certificate is spent on
    /// what could not be entered. What fails on the way gives its leave back, and so does what `isUnused` says of.
    /// - Throws: ``StageFailure`` with the ``Withheld`` of the log or the authority that is not to be had; what `make` throws.
    func admitted<Value>(
        _ formats: [SignatureFormat], of rule: PolicyConfiguration.Rule, isUnused: (Value) -> Bool = { _ in false },
        _ make: () async throws -> Value
    ) async throws -> Value {
        try await admitted(through: try gates(for: formats, of: rule), isUnused: isUnused, make)
    }

    /// The same for what no rule is about: a bundle with an entry in that log.
    func admitted<Value>(signingForLog id: String, _ make: () async throws -> Value) async throws -> Value {
        try await admitted(through: gates(ofLogs: [id: 1], [.bundle]), isUnused: { _ in false }, make)
    }

    private func admitted<Value>(
        through gates: [Place], isUnused: (Value) -> Bool, _ make: () async throws -> Value
    ) async throws -> Value {
        try await Self.askFirst(gates)
        var admissions: [DependencyGate.Admission] = []
        do {
            for place in gates { admissions.append(try await place.gate.admit(at: place.stage, uses: place.uses)) }
            let made = try await make()
            if isUnused(made) { await admissions.forgo() }
            return made
        } catch {
            await admissions.forgo()
            throw error
        }
    }

    /// What of all that is known to be away now: asked again before a registry is asked anything for a job that waited for it,
    /// and before the trial of one of them is begun.
    /// - Throws: ``StageFailure`` as ``admitted(_:of:isUnused:_:)``.
    func askFirst(_ formats: [SignatureFormat], of rule: PolicyConfiguration.Rule) async throws {
        try await Self.askFirst(try gates(for: formats, of: rule))
    }

    private static func askFirst(_ gates: [Place]) async throws(StageFailure) {
        for place in gates {
            do throws(Withheld) { try await place.gate.askFirst() } catch {
                throw StageFailure(stage: place.stage, underlying: error)
            }
        }
    }

    /// Whether, whichever of these rules it is for, a signature of the bulk lane would stand where as many of that lane stand
    /// already as get their turn in time: more of them would stand there with a slot each, and go back. It needs all that its rule
    /// names: one of them that is crowded is enough.
    func areCrowdedByBulk(for rules: [PolicyConfiguration.Rule]) -> Bool {
        let signing = rules.filter { $0.effect == .sign }
        return !signing.isEmpty
            && signing.allSatisfy { rule in
                (try? gates(for: rule.formats, of: rule))?.contains { $0.gate.isCrowdedByBulk } ?? false
            }
    }

    /// Each format is an entry in each of its logs, and a timestamp of each of its authorities.
    private func gates(for formats: [SignatureFormat], of rule: PolicyConfiguration.Rule) throws -> [Place] {
        let entries = try formats.flatMap { try logs(for: $0, of: rule).all.map(\.id) }
        return gates(ofLogs: entries.reduce(into: [:]) { $0[$1, default: 0] += 1 }, formats)
    }

    private typealias Place = (gate: DependencyGate, stage: SigningStage, uses: Int)

    /// - Parameter logs: the entries that each is to get.
    private func gates(ofLogs logs: [String: Int], _ formats: [SignatureFormat]) -> [Place] {
        let places = logs.sorted { $0.key < $1.key }.compactMap { id, entries in
            gate(ofLog: id).map { (gate: $0, stage: SigningStage.log, uses: entries) }
        }
        return places
            + authorities.enumerated().compactMap { position, authority -> Place? in
                let timestamps = formats.count { authorities(for: $0).count > position }
                guard let gate = authority.gate, timestamps > 0 else { return nil }
                return (gate: gate, stage: .timestamp, uses: timestamps)
            }
    }

    /// Runs `enter`, which enters in a log what an earlier attempt signed, with leave for the place of one entry.
    func admitted<Value>(toLog id: String, _ enter: () async throws -> Value) async throws -> Value {
        guard let gate = gate(ofLog: id) else { return try await enter() }
        let admission = try await gate.admit(at: .log, uses: 1)
        do { return try await enter() } catch {
            await [admission].forgo()
            throw error
        }
    }

    private func gate(ofLog id: String) -> DependencyGate? { logs.first { $0.client.id == id }?.gate }
}

extension DependencyGate {
    fileprivate func admit(at stage: SigningStage, uses: Int) async throws(StageFailure) -> Admission {
        do throws(Withheld) { return try await admit(uses: uses) } catch {
            throw StageFailure(stage: stage, underlying: error)
        }
    }
}

extension [DependencyGate.Admission] {
    /// In a task of its own: what made the use fail may be this one's cancellation.
    fileprivate func forgo() async {
        await Task { for admission in self { await admission.forgo() } }.value
    }
}

extension EvidenceLine {
    /// Lets a job that waited for a log or an authority wait on while that one is still away, before the registry is asked for
    /// the manifest and its referrers again. One that waits for it the first time is looked at: it may be refused, gone, or
    /// adopted; and what is logged needs the registry only.
    /// - Throws: ``StageFailure`` with the ``Withheld`` of before.
    func askFirst(_ target: Target, _ claim: Claim, _ rule: PolicyConfiguration.Rule) async throws {
        // what cannot be told here is told where it is needed
        guard let services = try? signers.signer(for: rule).services else { return }
        do { try await services.askFirst(rule.formats(asked: claim.formats), of: rule) } catch {
            guard let failure = error as? StageFailure, let withheld = failure.underlying as? Withheld else { return }
            guard try await journal.waited(claim, for: withheld.upstream, with: target) else { return }
            throw failure
        }
    }
}
