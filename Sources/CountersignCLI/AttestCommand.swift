import ArgumentParser
import Countersign
import Curl
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
        let document = try Self.document(predicate)
        var query = [("ref", reference), ("type", type)]
        if let replace { query.append(("replace", replace ? "true" : "false")) }
        var status: Received<AttestationAnswer>
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
        case .text: status.answer.tell()
        }
        if !noWait, !status.isSettled || !status.isSound { throw ExitCode(1) }
    }

    /// A file is read while it is sent; what has no length, such as a pipe, is read first.
    private static func document(_ path: String) throws -> APIClient.Body {
        if path != "-", let file = HTTPUpload(path: path) {
            guard file.size <= DocumentFormat.maxBytes else { throw Self.tooLarge(path) }
            return .file(file)
        }
        let bytes: [UInt8]
        do {
            bytes = try NamedFile(argument: path).contents(atMost: DocumentFormat.maxBytes)
        } catch {
            throw error.limit == nil ? CommandFailure(describing: error) : Self.tooLarge(path)
        }
        guard !bytes.isEmpty else {
            throw CommandFailure(code: "file.empty", observed: "\(path) is empty", status: 2)
        }
        return .bytes(bytes)
    }

    /// Asks until nothing more happens by itself, or the time is up; through restarts of the daemon, which has the document.
    private func settled(_ taken: Received<AttestationAnswer>, _ client: APIClient) async throws -> Received<
        AttestationAnswer
    > {
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

extension AttestationAnswer {
    func tell() {
        var lines = [
            ("attestation", "\(id), \(facts)"), ("about", reference), ("predicate", predicateType),
            ("document", "\(document.digest), \(document.size) bytes"),
            ("state", standing),
        ]
        if let signature {
            lines += [
                ("identity", signature.identity), ("issuer", signature.issuer),
                ("log index", String(signature.logIndex)),
            ]
            if let uuid = signature.logUUID { lines.append(("log uuid", uuid)) }
            if let at = signature.integratedAt { lines.append(("logged", at.apiText)) }
            lines.append(("published", signature.referrer))
        }
        for (format, route) in (routes ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append(("route", "\(format): \(route)"))
        }
        if let supersededBy { lines.append(("superseded", "by \(supersededBy), \(supersededAt?.apiText ?? "")")) }
        if signature == nil, let expiresAt { lines.append(("waits until", expiresAt.apiText)) }
        if let nextAttemptAt { lines.append(("next", nextAttemptAt.apiText)) }
        if let lastError {
            lines.append(("error", "\(lastError.code) at \(lastError.stage): \(lastError.observed)"))
            lines.append(("fix", lastError.fix))
        }
        Console.table(lines)
    }
}
