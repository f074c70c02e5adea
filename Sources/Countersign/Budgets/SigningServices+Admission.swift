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
        // one signing event is one use of each, in however many formats: two places that must both be had could never be had
        // together where the rate is low
        let logs = try Set(formats.map { try log(for: $0, of: rule).id })
        var places = logs.sorted().compactMap { id in gate(ofLog: id).map { (gate: $0, stage: SigningStage.log) } }
        if let timestampGate { places.append((timestampGate, .timestamp)) }
        // no trial of the one is begun while the other is known to be down
        for place in places {
            if let refusal = place.gate.refusalNow { throw StageFailure(stage: place.stage, underlying: refusal) }
        }
        var admissions: [DependencyGate.Admission] = []
        do {
            for place in places { admissions.append(try await place.gate.admit(at: place.stage)) }
            let made = try await make()
            if isUnused(made) { await admissions.forgo() }
            return made
        } catch {
            await admissions.forgo()
            throw error
        }
    }

    /// Runs `enter`, which enters in a log what an earlier attempt signed, with leave for the place of one entry.
    func admitted<Value>(toLog id: String, _ enter: () async throws -> Value) async throws -> Value {
        let admission = try await gate(ofLog: id)?.admit(at: .log)
        do {
            return try await enter()
        } catch {
            await [admission].compactMap(\.self).forgo()
            throw error
        }
    }

    private func gate(ofLog id: String) -> DependencyGate? { logs.first { $0.client.id == id }?.gate }
}

extension DependencyGate {
    fileprivate func admit(at stage: SigningStage) async throws(StageFailure) -> Admission {
        do throws(Withheld) { return try await admit() } catch { throw StageFailure(stage: stage, underlying: error) }
    }
}

extension [DependencyGate.Admission] {
    /// In a task of its own: what made the use fail may be this one's cancellation.
    fileprivate func forgo() async {
        await Task { for admission in self { await admission.forgo() } }.value
    }
}
