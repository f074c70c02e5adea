package import Curl

/// A log's gate for those of us who read it on the side (``LogWatch``, ``IdentityMonitor``): whoever signs goes first.
///
/// Nothing is read while the breaker is not closed or the log asks us to wait, requests stand behind all others for a slot, and
/// an answer that it is too much is told to all. No other answer says anything to the breaker: tiles may be served from elsewhere,
/// and a thousand pages that were read must not hide that no entry is taken. Nor do pages cost the budget of entries: who reads has
/// a rate of its own.
package struct ReadingGate: HTTPGate {
    private let gate: DependencyGate

    package init(_ gate: DependencyGate) { self.gate = gate }

    package func enter() async throws(HTTPError) -> HTTPPass {
        do throws(Withheld) { try await gate.standBack() } catch { throw .withheld(error) }
        guard await gate.slots.take(yielding: true) else {
            throw .cancelled(url: gate.dependency.name, answerMayBeLost: false)
        }
        return HTTPPass(isYielding: true)
    }

    package func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass) {
        gate.slots.release(yielding: pass.isYielding)
        let verdict = DependencyVerdict(end)
        if verdict.isTooMuch || verdict.pause != nil { gate.note(verdict) }
    }
}
