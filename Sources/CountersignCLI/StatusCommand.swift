import ArgumentParser
import Countersign
import FoundationEssentials

extension StandingAnswer {
    /// The state in words.
    var standing: String {
        state + (broken == true ? ", and found broken" : "") + (recheck == true ? ", being looked at again" : "")
    }
}

extension RevocationAnswer {
    /// What became of what had been published.
    var removalWords: String {
        let words =
            switch Revocations.Removal(rawValue: removal) {
            case .asked: "under way"
            case .removed: "out of the registry's lists"
            case .deleted: "deleted"
            case .listed: "not done: the registry lists referrers by itself"
            default: removal
            }
        guard let removalError else { return words }
        return "\(words); \(removalError.code): \(removalError.observed). \(removalError.fix)"
    }
}

extension ArtifactAnswer {
    func tell() {
        var lines = [("artifact", reference), ("state", standing)]
        if let tag {
            lines.append(("tag", resolvedAt.map { "\(tag), seen here \($0.apiText)" } ?? "\(tag), not resolved"))
        }
        if let revocation, revocation.releasedAt == nil {
            lines.append(
                ("revoked", "\(revocation.revokedAt.apiText) by \(revocation.revokedBy): \(revocation.reason)"))
            if revocation.removal != Revocations.Removal.none.rawValue {
                lines.append(("removal", revocation.removalWords))
            }
        }
        if generation > 0 { lines.append(("generation", String(generation))) }
        if let signature {
            lines += [
                ("identity", signature.identity), ("issuer", signature.issuer),
                ("log index", String(signature.logIndex)),
            ]
            if let uuid = signature.logUUID { lines.append(("log uuid", uuid)) }
            if let at = signature.integratedAt { lines.append(("logged", at.apiText)) }
            if let there = signature.formats {
                let asked = formats.map { ", as asked: \($0.joined(separator: ", "))" } ?? ""
                lines.append(("formats", (there.isEmpty ? "none" : there.joined(separator: ", ")) + asked))
            }
            lines += [("signature", signature.referrer), ("verified", signature.verifiedAt.apiText)]
        }
        if state != TargetState.signed.rawValue { lines.append(("attempts", String(attempts))) }
        if let nextAttemptAt { lines.append(("next", nextAttemptAt.apiText)) }
        // also of a signed artifact: the look whether its signature still stands may fail
        if let lastError {
            lines.append(("error", "\(lastError.code) at \(lastError.stage): \(lastError.observed)"))
            lines.append(("fix", lastError.fix))
        }
        Console.table(lines)
    }
}

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Is it signed, by whom, where in the log?",
        discussion:
            "Exit status 0 if it is signed, 1 if it is not (yet), or if the last look found its signature broken.")

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    func run() async throws {
        let status: Received<ArtifactAnswer> = try await api.client.get("/v1/artifacts", query: [("ref", reference)])
        if output.output == .json { try Console.json(status) } else { status.answer.tell() }
        if !status.isSound { throw ExitCode(1) }
    }
}

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until an artifact is signed, or known not to be.",
        discussion: """
            Exit status 0 once it is signed; 1 if it is refused, failed or gone, if its signature is found broken, or when
            the time is up; 3 if the daemon does not answer by then.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "How long to wait, such as 60s.") var timeout = DurationArgument(.seconds(60))
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    func run() async throws {
        let status = try await Waiter(client: api.client).settled(reference, within: timeout.duration)
        guard let status else {
            throw CommandFailure(
                code: "wait.unknown",
                observed: "nothing was heard of \(reference) in \(timeout.duration.components.seconds) s",
                fix:
                    "Did the registry's webhook reach the daemon? See GET /v1/endpoints; `countersign sign` asks for it by hand.",
                status: 1)
        }
        if output.output == .json { try Console.json(status) } else { status.answer.tell() }
        if !status.isSound || !status.isSettled { throw ExitCode(1) }
    }
}

/// Long-polls the status until it is settled, through restarts of the daemon. A push may be heard of later than its waiter:
/// that it is unknown is waited out.
struct Waiter {
    let client: APIClient

    /// The last status seen; nil if the artifact was never heard of.
    func settled(_ reference: String, within limit: Duration) async throws -> Received<ArtifactAnswer>? {
        let deadline = ContinuousClock.now + limit
        var patience = Patience(for: limit, goesOn: false)
        var last: Received<ArtifactAnswer>?
        while !patience.isOver {
            do {
                let status = try await patience.ask { try await look(reference, until: deadline) }
                if status.isSettled { return status }
                last = status
            } catch let failure as CommandFailure where failure.code == "artifact.unknown" {
                // not heard of yet
            }
            try await patience.pause(.milliseconds(200))
        }
        return last
    }

    private func look(_ reference: String, until deadline: ContinuousClock.Instant) async throws -> Received<
        ArtifactAnswer
    > {
        let wait = max(.zero, min(deadline - .now, .seconds(30)))
        return try await client.get(
            "/v1/artifacts", query: [("ref", reference), ("wait", "\(max(1, wait.components.seconds))s")],
            timeout: wait + .seconds(10))
    }
}
