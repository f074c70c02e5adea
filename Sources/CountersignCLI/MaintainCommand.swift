import ArgumentParser
import Countersign
import Postgres

struct MaintainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintain",
        abstract: "Vacuum the tables in which rows come and go all the time, and their indexes.",
        discussion: """
            For a scheduled job, as the role of database.migrate: a daemon whose role does not own the tables leaves that to \
            somebody else (before PostgreSQL 17; from then on it may vacuum). Work goes on meanwhile, and runs do not disturb \
            each other. What rebuilds left that were broken off is dropped. Without --reindex every few minutes, with it once \
            a week.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var output: OutputOption
    @Flag(help: "Also build their indexes anew, beside the old ones: they do not shrink by themselves.")
    var reindex = false
    @Option(help: "The longest that one table or index may take.")
    var deadline = DurationArgument(.seconds(600))

    private struct Answer: Encodable {
        let vacuumed: [String]
        /// Tables whose indexes were built anew.
        var reindexed: [String] = []
        /// Indexes that a broken rebuild left.
        let dropped: [String]
    }

    func run() async throws {
        let connection = try configuration.load().database.connection(
            for: .migrate, applicationName: "countersign maintain")
        let pool = ConnectionPool(connection, size: 1)
        let answer: Answer
        do {
            answer = try await maintain(TableUpkeep(pool: pool, deadline: deadline.duration))
        } catch {
            await pool.close()
            throw error
        }
        await pool.close()
        switch output.output {
        case .json: try Console.json(answer)
        case .text:
            for name in answer.dropped { print("dropped    \(name)") }
            for name in answer.vacuumed { print("vacuumed   \(name)") }
            for name in answer.reindexed { print("reindexed  \(name)") }
        }
    }

    private func maintain(_ upkeep: TableUpkeep) async throws -> Answer {
        guard try await !upkeep.kept().isEmpty else {
            throw CommandFailure(
                code: "database.role", observed: "the role may not vacuum the tables of countersign",
                fix: "give database.migrate the role that owns them")
        }
        // before new ones are built: they would count against the disk twice
        let dropped = try await upkeep.dropLeftovers()
        return Answer(
            vacuumed: try await upkeep.vacuum(), reindexed: reindex ? try await upkeep.rebuildIndexes() : [],
            dropped: dropped)
    }
}
