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

    /// What of all that is known to be away now: asked again before a registry is asked anything for a job that waited for it.
    /// - Throws: ``StageFailure`` as ``admit(_:of:)``.
    func askFirst(_ formats: [SignatureFormat], of rule: PolicyConfiguration.Rule) async throws {
        let wanted = try Set(formats.map { try log(for: $0, of: rule).id })
        for gate in logs.filter({ wanted.contains($0.client.id) }).compactMap(\.gate) {
            do throws(Withheld) { try await gate.askFirst() } catch {
                throw StageFailure(stage: .log, underlying: error)
            }
        }
        guard let gate = timestampGate else { return }
        do throws(Withheld) { try await gate.askFirst() } catch {
            throw StageFailure(stage: .timestamp, underlying: error)
        }
    }

    /// Asks for the place of one entry: of a signature that an earlier attempt made.
    func admit(toLog id: String) async throws {
        guard let gate = logs.first(where: { $0.client.id == id })?.gate else { return }
        do throws(Withheld) { try await gate.admit() } catch { throw StageFailure(stage: .log, underlying: error) }
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
        do { try await services.askFirst(SignatureFormat.allCases.filter(rule.formats.contains), of: rule) } catch {
            guard let failure = error as? StageFailure, let withheld = failure.underlying as? Withheld else { return }
            guard try await journal.waited(claim, for: withheld.upstream, with: target) else { return }
            throw failure
        }
    }
}
