import ArgumentParser
import Countersign
import FoundationEssentials

struct TrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Trust material: whom we verify against, where we sign, and who says so.",
        subcommands: [TrustShowCommand.self, TrustUpdateCommand.self])
}

struct TrustUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Follow the source's rotations now, and keep what it says.",
        discussion: """
            Of a TUF repository the metadata is verified from the pinned root on and kept in a folder of this user; with
            --offline nothing is asked and what is kept is verified anew. The daemon looks by itself, at its own interval.
            """)

    @OptionGroup var source: TrustOptions
    @Flag(help: "Ask nobody: verify what was kept.") var offline = false
    @Option(help: "Folder to write trusted_root.json and signing_config.v0.2.json to.") var write: String?
    @OptionGroup var output: OutputOption

    func run() async throws {
        let (trust, documents) = try await source.read(isOffline: offline)
        if let write {
            try FileManager.default.createDirectory(atPath: write, withIntermediateDirectories: true)
            for (name, bytes) in [
                ("trusted_root.json", documents.trustedRoot), ("signing_config.v0.2.json", documents.signingConfig),
            ] {
                guard let bytes else { continue }
                try Data(bytes).write(to: URL(filePath: "\(write)/\(name)"), options: .atomic)
            }
        }
        try TrustReport(trust, isOffline: offline).tell(output.output)
    }
}

struct TrustShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "What is trusted: authorities, logs, keys, their times, and who vouches for them.",
        discussion: """
            Of a TUF repository what `trust update` kept is shown, expired or not, unless --refresh asks the repository.
            Exit status 1 if something has expired.
            """)

    @OptionGroup var source: TrustOptions
    @Flag(help: "Ask the repository first.") var refresh = false
    @OptionGroup var output: OutputOption

    func run() async throws {
        let (trust, _) = try await source.read(isOffline: !refresh, acceptsExpired: !refresh)
        let report = TrustReport(trust, isOffline: !refresh)
        try report.tell(output.output)
        if report.roles.contains(where: \.expired) { throw ExitCode(1) }
    }
}

extension TrustReport {
    fileprivate func tell(_ format: OutputFormat) throws {
        switch format {
        case .json: try Console.json(self)
        case .text: print(text, terminator: "")
        }
    }

    /// One block a kind; in each line what it is, then when it holds, then how it is recognised.
    var text: String {
        var lines = ["trust from \(origin)" + (offline && !roles.isEmpty ? " (as kept here)" : "")]
        if lab { lines.append("  A LAB'S: its signatures prove nothing") }
        if !roles.isEmpty {
            lines.append("roles")
            lines += roles.map { role in
                "  \(role.name.padded(to: 10)) version \(role.version), \(role.expired ? "EXPIRED" : "expires") "
                    + "\(role.expires.formatted(.iso8601)), \(role.threshold) of \(role.keyIds.count) keys"
            }
        }
        for (title, authorities) in [
            ("certificate authorities", certificateAuthorities), ("timestamp authorities", timestampAuthorities),
        ] where !authorities.isEmpty {
            lines.append(title)
            for authority in authorities {
                lines.append("  \(authority.root)\(authority.uri.isEmpty ? "" : "  \(authority.uri)")")
                lines.append("      \(Self.span(authority.validFrom, authority.validUntil, authority.current))")
                lines.append("      sha256 \(authority.rootSha256)")
            }
        }
        for (title, logs) in [("transparency logs", logs), ("certificate transparency logs", certificateLogs)]
        where !logs.isEmpty {
            lines.append(title)
            for log in logs {
                lines.append("  \(log.baseUrl.isEmpty ? "(no address)" : log.baseUrl)  \(log.keyDetails)")
                lines.append("      \(Self.span(log.validFrom, log.validUntil, log.current))")
                lines.append("      log id \(log.logId)")
            }
        }
        if !services.isEmpty {
            lines.append("services to sign with (* in use now)")
            for service in services {
                lines.append(
                    "  \(service.chosen ? "*" : " ") \(service.kind.padded(to: 21)) \(service.url) "
                        + "(API \(service.apiVersion)\(service.operator.isEmpty ? "" : ", \(service.operator)"))")
                lines.append("      \(Self.span(service.validFrom, service.validUntil, true))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func span(_ start: Date, _ end: Date?, _ isCurrent: Bool) -> String {
        "valid from \(start.formatted(.iso8601))" + (end.map { " until \($0.formatted(.iso8601))" } ?? "")
            + (isCurrent ? "" : " (not now)")
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        count < width ? self + String(repeating: " ", count: width - count) : self
    }
}
