import ArgumentParser
import FoundationEssentials

/// What the API says of an artifact (`GET /v1/artifacts`); the members are the API's.
struct ArtifactStatus: Codable {
    struct Signature: Codable {
        let identity: String
        let issuer: String
        let logId: String
        let logIndex: Int64
        let logUuid: String?
        let integratedAt: String?
        let referrer: String
        /// Those that lie in the registry; a daemon of an older version does not say.
        let formats: [String]?
        let signedAt: String
        let verifiedAt: String
    }
    struct Failure: Codable {
        let code: String
        let stage: String
        let observed: String
        let fix: String
    }
    let reference: String
    let registry: String
    let repository: String
    let tag: String?
    /// Absent while nobody could say yet where the tag points.
    let digest: String?
    let state: String
    let recheck: Bool
    /// Whether the last look found the signature broken; a daemon of an older version does not say.
    let broken: Bool?
    /// Absent where it was asked for in all formats of its rule.
    let formats: [String]?
    let mediaType: String?
    let rule: String?
    let policyVersion: String?
    let generation: Int
    let attempts: Int
    let receivedAt: String
    let pushedAt: String
    let resolvedAt: String?
    let nextAttemptAt: String?
    let lastError: Failure?
    let signature: Signature?
    let revocation: Revocation?

    struct Revocation: Codable {
        let reason: String
        let revokedBy: String
        let revokedAt: String
        let removal: String
        let removalError: Failure?
        let releasedAt: String?

        /// What became of what had been published.
        var removalWords: String {
            let words =
                switch removal {
                case "asked": "under way"
                case "removed": "out of the registry's lists"
                case "deleted": "deleted"
                case "listed": "not done: the registry lists referrers by itself"
                default: removal
                }
            guard let removalError else { return words }
            return "\(words); \(removalError.code): \(removalError.observed). \(removalError.fix)"
        }
    }

    /// Whether nothing more happens by itself.
    var isSettled: Bool { Self.isSettled(state, recheck: recheck) }

    /// Whether it is signed, for all that is known.
    var isSound: Bool { Self.isSound(state, broken: broken) }

    // an attestation has the states of the artifact that it is about

    static func isSettled(_ state: String, recheck: Bool?) -> Bool {
        ["signed", "failed", "refused", "gone", "cancelled", "revoked"].contains(state) && recheck != true
    }

    static func isSound(_ state: String, broken: Bool?) -> Bool { state == "signed" && broken != true }

    /// The state in words.
    static func words(_ state: String, recheck: Bool?, broken: Bool?) -> String {
        state + (broken == true ? ", and found broken" : "") + (recheck == true ? ", being looked at again" : "")
    }

    func tell() {
        var lines = [("artifact", reference), ("state", Self.words(state, recheck: recheck, broken: broken))]
        if let tag { lines.append(("tag", resolvedAt.map { "\(tag), seen here \($0)" } ?? "\(tag), not resolved")) }
        if let revocation, revocation.releasedAt == nil {
            lines.append(("revoked", "\(revocation.revokedAt) by \(revocation.revokedBy): \(revocation.reason)"))
            if revocation.removal != "none" { lines.append(("removal", revocation.removalWords)) }
        }
        if generation > 0 { lines.append(("generation", String(generation))) }
        if let signature {
            lines += [
                ("identity", signature.identity), ("issuer", signature.issuer),
                ("log index", String(signature.logIndex)),
            ]
            if let uuid = signature.logUuid { lines.append(("log uuid", uuid)) }
            if let at = signature.integratedAt { lines.append(("logged", at)) }
            if let there = signature.formats {
                let asked = formats.map { ", as asked: \($0.joined(separator: ", "))" } ?? ""
                lines.append(("formats", (there.isEmpty ? "none" : there.joined(separator: ", ")) + asked))
            }
            lines += [("signature", signature.referrer), ("verified", signature.verifiedAt)]
        }
        if state != "signed" { lines.append(("attempts", String(attempts))) }
        if let nextAttemptAt { lines.append(("next", nextAttemptAt)) }
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
        let status: ArtifactStatus = try await api.client.get("/v1/artifacts", query: [("ref", reference)])
        if output.output == .json { try Console.json(status) } else { status.tell() }
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
        if output.output == .json { try Console.json(status) } else { status.tell() }
        if !status.isSound || !status.isSettled { throw ExitCode(1) }
    }
}

/// Long-polls the status until it is settled, through restarts of the daemon. A push may be heard of later than its waiter:
/// that it is unknown is waited out.
struct Waiter {
    let client: APIClient

    /// The last status seen; nil if the artifact was never heard of.
    func settled(_ reference: String, within limit: Duration) async throws -> ArtifactStatus? {
        let deadline = ContinuousClock.now + limit
        var patience = Patience(for: limit, goesOn: false)
        var last: ArtifactStatus?
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

    private func look(_ reference: String, until deadline: ContinuousClock.Instant) async throws -> ArtifactStatus {
        let wait = max(.zero, min(deadline - .now, .seconds(30)))
        return try await client.get(
            "/v1/artifacts", query: [("ref", reference), ("wait", "\(max(1, wait.components.seconds))s")],
            timeout: wait + .seconds(10))
    }
}
