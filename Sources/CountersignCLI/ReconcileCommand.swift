import ArgumentParser
import Countersign
import Curl
import FoundationEssentials

/// A page of `GET /v1/reconcile`; all of it, once its pages are read.
private struct ReconcilePage: Codable {
    var pending: Int
    var registries: [Received<SweptRegistryAnswer>]
    var repositories: [Received<SweepAnswer>]
    var logs: [Received<FollowedLogAnswer>]
    var next: Int64?
}

extension SweepAnswer {
    /// The state in words: one that has ended waits for nothing but its next time.
    fileprivate var words: String {
        // one tag that could not be read does not keep a sweep from being whole
        let isWhole = error.map { !$0.failsSweep || $0.code == "sweep.tag_unreadable" } ?? true
        let isWaiting = state == SweepRecords.Sweep.State.waiting.rawValue
        guard isWaiting, requestedAt == nil, startedAt == nil, isWhole, let sweptAt else { return state }
        return "swept \(sweptAt.apiText)"
    }
}

extension Failure {
    /// As against a note on a listing that was complete: of a repository that the registry does not have.
    fileprivate var failsSweep: Bool { code != "sweep.repository_unknown" }
}

struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "Look for images that no webhook told of, and queue them.",
        discussion: """
            The daemon lists the tags of one repository, or of all that policy signs, and compares them with its records; what it
            finds is signed in the bulk lane. With --wait until all is listed (not until it is signed: `countersign wait` does
            that). Exit status 0 if every listing was complete, 1 if one failed, 4 if the time was up before; then it goes on.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "One repository, host/name; all, if it is left out.") var repository: String?
    @Flag(help: "Wait until the listings are done, and print what they came to.") var wait = false
    @Flag(help: "Start nothing; show how the sweeps stand.") var show = false
    @Option(help: "How long to wait, such as 10m.") var timeout = DurationArgument(.seconds(600))

    func run() async throws {
        let client = try api.client
        var shown = repository
        if !show {
            let query = repository.map { "?repository=\(percentEncoded($0))" } ?? ""
            let requested: Received<RequestedSweepAnswer> = try await client.post(
                "/v1/reconcile\(query)", [String: String]())
            // it is listed under the registry's canonical name
            shown = requested.repository ?? repository
            guard wait else {
                if output.output == .json { return try Console.json(requested) }
                return print("requested at \(requested.requestedAt.apiText); \(requested.pending) to do")
            }
        }
        let filter = shown.map { [("repository", $0)] } ?? []
        let page = wait ? try await followed(client, filter) : try await sweeps(client, filter)
        if output.output == .json { try Console.json(page) } else { tell(page) }
        // without a catalog the names that are known were swept: that was said, and is no failure
        let failed =
            page.repositories.contains { $0.error?.failsSweep == true }
            || page.registries.contains {
                $0.error != nil && $0.catalog != SweepRecords.Registry.Catalog.absent.rawValue
            }
        guard !wait || page.pending == 0 else {
            throw Patience.timeIsUp(
                "\(page.pending) to do", fix: "The daemon goes on: `countersign reconcile --show` says how far it is.")
        }
        if failed { throw ExitCode(1) }
    }

    /// The same once there is nothing to do any more, or the time is up; through restarts of the daemon.
    private func followed(_ client: APIClient, _ filter: [(String, String)]) async throws -> ReconcilePage {
        var patience = Patience(for: timeout.duration)
        var page = try await patience.ask { try await sweeps(client, filter) }
        while page.pending > 0, !patience.isOver {
            try await patience.pause(.milliseconds(250))
            let look: ReconcilePage = try await patience.ask {
                try await client.get("/v1/reconcile", query: filter + [("limit", "1")])
            }
            page.pending = look.pending
            if page.pending == 0 { page = try await patience.ask { try await sweeps(client, filter) } }
        }
        return page
    }

    /// Everything that this is about, all pages.
    private func sweeps(_ client: APIClient, _ filter: [(String, String)]) async throws -> ReconcilePage {
        var all: ReconcilePage = try await client.get("/v1/reconcile", query: filter + [("limit", "500")])
        while let next = all.next {
            let page: ReconcilePage = try await client.get(
                "/v1/reconcile", query: filter + [("limit", "500"), ("before", "\(next)")])
            all.repositories += page.repositories
            (all.next, all.pending) = (page.next, page.pending)
        }
        return all
    }

    private func tell(_ page: ReconcilePage) {
        for registry in page.registries {
            print("\(registry.registry)\tcatalog \(registry.catalog)\tlooked at again \(registry.rechecked)")
            if let error = registry.error { print("  \(error.observed) [\(error.code)]\n  fix: \(error.fix)") }
        }
        for log in page.logs {
            print(
                "log \(log.log)\tread to \(log.nextIndex)\tours \(log.ours)\tnot explained yet \(log.suspected)"
                    + "\tnot read: unknown kinds \(log.unknownKinds), unreadable \(log.unreadable)")
        }
        for sweep in page.repositories {
            print(
                "\(sweep.words)\t\(sweep.repository)\ttags \(sweep.tags)\tmissed \(sweep.missed)\tmoved \(sweep.moved)"
                    + (sweep.unreadable > 0 ? "\tunreadable \(sweep.unreadable)" : ""))
            if let error = sweep.error { print("  \(error.observed) [\(error.code)]\n  fix: \(error.fix)") }
        }
    }
}
