import Curl
import Sigstore

extension SigningServices {
    /// Asks for all that new signatures will need after their certificate, before one is asked for: while a log is down, or
    /// busy, nothing is signed for it, and no certificate is spent on what could not be entered.
    /// - Throws: ``StageFailure`` with the ``Withheld`` of the log or the authority that is not to be had.
    func admit(_ formats: [SignatureFormat], of rule: PolicyConfiguration.Rule) async throws {
        // one signing event is one use of each, in however many formats: two places that must both be had could never be had
        // together where the rate is low
        let logs = try Set(formats.map { try log(for: $0, of: rule).id })
        for log in logs.sorted() { try await admit(toLog: log) }
        guard let gate = timestampGate else { return }
        do throws(Withheld) { try await gate.admit() } catch {
            throw StageFailure(stage: .timestamp, underlying: error)
        }
    }

    /// Asks for the place of one entry: of a signature that an earlier attempt made.
    func admit(toLog id: String) async throws {
        guard let gate = logs.first(where: { $0.client.id == id })?.gate else { return }
        do throws(Withheld) { try await gate.admit() } catch { throw StageFailure(stage: .log, underlying: error) }
    }
}
