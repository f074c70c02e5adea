import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import TUF

/// The client protocol of theupdateframework/tuf-conformance, for its test suite; `trust` is what people use.
struct TUFCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tuf", abstract: "A TUF client as the tuf-conformance suite wants it.",
        discussion: """
            init ROOT takes over a trusted root; refresh follows the repository's metadata; download fetches targets.
            Exit status 0 if all of it succeeded, else 1.
            """,
        shouldDisplay: false)

    enum Action: String, ExpressibleByArgument, CaseIterable { case `init`, refresh, download }

    @Option(help: "Folder of the trusted metadata.") var metadataDir: String
    @Option(help: "URL of the repository's metadata.") var metadataUrl: String?
    @Option(help: "Path of a target; may be repeated.") var targetName: [String] = []
    @Option(help: "URL of the repository's targets.") var targetBaseUrl: String?
    @Option(help: "Folder for targets.") var targetDir: String?
    @Argument(help: "init, refresh or download.") var action: Action
    @Argument(help: "init: the initial root.json.") var trustedRoot: String?

    func run() async throws {
        do {
            switch action {
            case .`init`: try initialize()
            case .refresh: _ = try await session()
            case .download:
                let session = try await session()
                for name in targetName { _ = try await session.target(name) }
            }
        } catch let error as TUFError {
            CommandFailure(code: error.code, observed: error.observed, fix: error.fix).tell()
            throw ExitCode(1)
        }
    }

    /// Not called `.json`: everything of that name is metadata to the suite.
    private var pinnedRoot: String { "\(metadataDir)/.pinned_root" }

    private func initialize() throws {
        guard let trustedRoot else { throw ValidationError("Say which root to trust: init ROOT.") }
        for file in [pinnedRoot, "\(metadataDir)/root.json"] {
            try Data(contentsOf: URL(filePath: trustedRoot)).write(to: URL(filePath: file), options: .atomic)
        }
    }

    private func session() async throws -> TUFSession {
        guard let metadataUrl else { throw ValidationError("Say where the repository is: --metadata-url URL.") }
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        var route = HTTPRoute()
        route.allowPlainHTTP = true
        route.addresses = .privateAllowed
        let client = TUFClient(
            pinnedRoot: [UInt8](try Data(contentsOf: URL(filePath: pinnedRoot))),
            repository: TUFHTTPRepository(
                metadataURL: metadataUrl, targetsURL: targetBaseUrl ?? metadataUrl, http: http, route: route),
            cache: TUFCacheDirectory(metadataDir, targets: targetDir))
        return try await client.update()
    }
}
