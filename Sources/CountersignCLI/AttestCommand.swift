import ArgumentParser
import Curl
import Glibc
import Sigstore

struct AttestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attest", abstract: "Have a document about an artifact signed and attached by the daemon.",
        discussion: """
            The document is sent as it is, without a statement around it, and checked before anything is signed. It may be sent
            before the image arrives, by digest; then it waits for it. Needs a token with the role attester or operator.
            Exit status 0 once it is signed (with --no-wait: taken), 1 if it is refused, fails or takes longer than --timeout,
            2 for misuse, 3 if the daemon could not be asked, or does not take it from this token.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(
        help: """
            What it is: spdx, spdxjson, cyclonedx, vex or openvex, csaf, slsaprovenance or slsaprovenance02, slsaprovenance1, \
            vuln, test-result, link, custom, or a URI.
            """)
    var type: String
    @Option(help: "The document; - for standard input.") var predicate: String
    @Flag(
        inversion: .prefixedNo, help: "Whether it supersedes older ones of its type. Default: VEX does, others do not.")
    var replace: Bool?
    @Option(help: "How long to wait until it is signed, such as 60s.") var timeout = DurationArgument(.seconds(120))
    @Option(help: "How long sending it may take.") var uploadTimeout = DurationArgument(.seconds(300))
    @Flag(help: "Only send it; do not wait.") var noWait = false
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    func run() async throws {
        let client = try api.client
        var query = [("ref", reference), ("type", type)]
        if let replace { query.append(("replace", replace ? "true" : "false")) }
        let document = try Self.document(predicate)
        var status: AttestationStatus
        do {
            status = try await client.put(
                "/v1/attestations", query: query, document, timeout: uploadTimeout.duration)
        } catch let failure as CommandFailure where failure.code == "api.too_large" {
            // less than what any document may have, or it would not have been sent: this daemon refuses it
            throw CommandFailure(code: failure.code, observed: failure.observed, fix: failure.fix, status: 1)
        }
        if !noWait { status = try await settled(status, client) }
        switch output.output {
        case .json: try Console.json(status)
        case .text: status.tell()
        }
        if !noWait, !status.isSettled || !status.isSound { throw ExitCode(1) }
    }

    /// A file is read while it is sent; what has no length, such as a pipe, is read first.
    private static func document(_ path: String) throws -> APIClient.Body {
        if path != "-", let file = HTTPUpload(path: path) {
            guard file.size <= DocumentFormat.maxBytes else { throw Self.tooLarge(path) }
            return .file(file)
        }
        guard let bytes = bytes(path) else {
            throw CommandFailure(code: "file.unreadable", observed: "cannot read \(path)", status: 2)
        }
        guard bytes.count <= DocumentFormat.maxBytes else { throw Self.tooLarge(path) }
        guard !bytes.isEmpty else {
            throw CommandFailure(code: "file.empty", observed: "\(path) is empty", status: 2)
        }
        return .bytes(bytes)
    }

    /// All of it, and of too much only enough to see that it is; nil if it cannot be read.
    private static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = path == "-" ? STDIN_FILENO : Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { if descriptor != STDIN_FILENO { _ = Glibc.close(descriptor) } }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= DocumentFormat.maxBytes {
            let count = Glibc.read(descriptor, &part, part.count)
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += part.prefix(count)
        }
        return bytes
    }

    /// Asks until nothing more happens by itself, or the time is up; through restarts of the daemon, which has the document.
    private func settled(_ taken: AttestationStatus, _ client: APIClient) async throws -> AttestationStatus {
        var patience = Patience(for: timeout.duration, goesOn: false)
        var status = taken
        var pause = Duration.milliseconds(200)
        while !status.isSettled, !patience.isOver {
            try await patience.pause(pause)
            pause = min(pause * 3 / 2, .seconds(2))
            status = try await patience.ask { try await client.get("/v1/attestations/\(taken.id)") }
        }
        return status
    }

    private static func tooLarge(_ path: String) -> CommandFailure {
        CommandFailure(
            code: "api.too_large", observed: "\(path) is larger than \(DocumentFormat.maxBytes >> 20) MiB",
            fix: "no document may be; cut it into several, or publish it elsewhere and attest its digest", status: 2)
    }
}

/// What the API says of an attestation (`PUT` and `GET /v1/attestations`); the members are the API's.
struct AttestationStatus: Codable {
    struct Document: Codable {
        let digest: String
        let size: Int
        let url: String?
    }
    let id: Int64
    let reference: String
    let predicateType: String
    let facts: String
    let document: Document
    let state: String
    /// As of an artifact; a daemon of an older version does not say.
    let recheck: Bool?
    let broken: Bool?
    let replaces: Bool
    let routes: [String: String]?
    let sender: String
    let takenAt: String
    let expiresAt: String?
    let supersededBy: Int64?
    let supersededAt: String?
    let attempts: Int
    let rule: String?
    let nextAttemptAt: String?
    let lastError: ArtifactStatus.Failure?
    let signature: ArtifactStatus.Signature?

    /// Whether nothing more happens by itself.
    var isSettled: Bool { ArtifactStatus.isSettled(state, recheck: recheck) }

    /// Whether it is signed and attached, for all that is known.
    var isSound: Bool { ArtifactStatus.isSound(state, broken: broken) }

    func tell() {
        var lines = [
            ("attestation", "\(id), \(facts)"), ("about", reference), ("predicate", predicateType),
            ("document", "\(document.digest), \(document.size) bytes"),
            ("state", ArtifactStatus.words(state, recheck: recheck, broken: broken)),
        ]
        if let signature {
            lines += [
                ("identity", signature.identity), ("issuer", signature.issuer),
                ("log index", String(signature.logIndex)),
            ]
            if let uuid = signature.logUuid { lines.append(("log uuid", uuid)) }
            if let at = signature.integratedAt { lines.append(("logged", at)) }
            lines.append(("published", signature.referrer))
        }
        for (format, route) in (routes ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append(("route", "\(format): \(route)"))
        }
        if let supersededBy { lines.append(("superseded", "by \(supersededBy), \(supersededAt ?? "")")) }
        if signature == nil, let expiresAt { lines.append(("waits until", expiresAt)) }
        if let nextAttemptAt { lines.append(("next", nextAttemptAt)) }
        if let lastError {
            lines.append(("error", "\(lastError.code) at \(lastError.stage): \(lastError.observed)"))
            lines.append(("fix", lastError.fix))
        }
        Console.table(lines)
    }
}
