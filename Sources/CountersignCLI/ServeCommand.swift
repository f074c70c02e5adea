import ArgumentParser
import Countersign
import Logging
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the daemon: webhooks in, signatures out, status over REST.",
        discussion: """
            SIGTERM stops claiming, lets running steps end (worker.shutdown_grace), gives the rest back, and exits 0.
            SIGKILL at any moment is safe: the next start continues where this one was.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var migrations: MigrationsOption

    func run() async throws {
        HeapUpkeep.limitArenas()
        let configuration = try configuration.load()
        let form = StructuredLogHandler.form(configuration.log.format)
        let level = Logger.Level(rawValue: configuration.log.level.rawValue) ?? .info
        LoggingSystem.bootstrap { StructuredLogHandler(label: $0, form: form, level: level) }
        try await CountersignService(
            configuration, version: BuildVersion.current, logger: Logger(label: "countersign")
        ).run(migrations: try migrations.directory, stoppingOn: [.sigterm, .sigint])
    }
}
