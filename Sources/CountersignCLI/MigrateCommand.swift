import ArgumentParser
import Countersign
import FoundationEssentials
import Postgres

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Bring the database to this version.",
        discussion: """
            Forward only, each file in one transaction, one migrator at a time. A file that was changed after it was applied, a
            gap, or a newer program's migration that does not suit this one is an error; one that does is left as it is.
            With --grant a role that does not own the database gets what its kind needs, now and after every later migration:
            work (workers, API, commands), intake (webhooks: it stores pushes, and of what others pushed changes only what a push
            changes), read (dashboards).
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var migrations: MigrationsOption
    @OptionGroup var output: OutputOption
    @Option(
        help: ArgumentHelp("Let this role do what its kind needs; may be repeated.", valueName: "work|intake|read=role")
    )
    var grant: [RoleGrant] = []
    @Flag(help: "Only show what is applied and what is pending; exit 1 if something is.") var status = false

    private struct Answer: Encodable {
        let applied: [String]
        let pending: [String]
        /// What a newer program applied, and this one works with.
        var ahead: [String] = []
        /// Roles that were granted what their kind needs.
        let granted: Int
    }

    func validate() throws {
        if status, !grant.isEmpty { throw ValidationError("--status changes nothing, so it grants nothing.") }
    }

    func run() async throws {
        let connection = try configuration.load().database.connection(
            for: .migrate, applicationName: "countersign migrate")
        let migrator = try Migrator(directory: migrations.directory)
        let answer: Answer
        if status {
            let found = try await migrator.status(using: connection)
            if let fault = found.fault {
                throw CommandFailure(
                    code: "database.migration_fault", observed: "\(fault)",
                    fix: "use the version of countersign that belongs to this database, or restore the migration file")
            }
            answer = Answer(applied: found.applied.map(\.name), pending: found.pending, ahead: found.ahead, granted: 0)
        } else {
            try await Preflight.server(of: connection)
            let applied = try await migrator.migrate(using: connection).map(\.name)
            let granted = try await DatabaseRoles(connection: connection).grant(
                grant.map { ($0.kind, $0.role) }, by: unixUser)
            answer = Answer(applied: applied, pending: [], granted: granted)
        }
        switch output.output {
        case .json: try Console.json(answer)
        case .text:
            for name in answer.applied { print("applied  \(name)") }
            for name in answer.pending { print("pending  \(name)") }
            for name in answer.ahead { print("ahead    \(name)") }
            if answer.granted > 0 { print("granted  \(answer.granted) roles") }
            if answer.applied.isEmpty, answer.pending.isEmpty, answer.granted == 0 { print("nothing to do") }
        }
        if !answer.pending.isEmpty { throw ExitCode(1) }
    }
}

/// `work=countersign_work`.
struct RoleGrant: ExpressibleByArgument {
    let kind: DatabaseRoles.Kind
    let role: String

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let kind = DatabaseRoles.Kind(rawValue: parts[0]), !parts[1].isEmpty else { return nil }
        (self.kind, role) = (kind, parts[1])
    }
}

/// Where `migrations/` is: named, in the environment, in the current folder, beside the program, or in its `share`.
struct MigrationsOption: ParsableArguments {
    @Option(help: "Folder with the migration files (or COUNTERSIGN_MIGRATIONS).") var migrations: String?

    var directory: String {
        get throws {
            let named = migrations ?? ProcessInfo.processInfo.environment["COUNTERSIGN_MIGRATIONS"]
            let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            let installed = ["migrations", "../share/countersign/migrations"].map {
                folder.appending(path: $0).standardizedFileURL.path
            }
            let candidates = named.map { [$0] } ?? ["migrations"] + installed
            guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
                throw CommandFailure(
                    code: "cli.migrations", observed: "no migrations folder at \(candidates.joined(separator: " or "))",
                    fix: "name it with --migrations or COUNTERSIGN_MIGRATIONS", status: 2)
            }
            return found
        }
    }
}
