import Curl
import FoundationEssentials
import Postgres
import Sigstore
import SigstoreLab
import Support
import TUF
import Testing

@testable import Countersign

/// A daemon that follows an instance's TUF repository, with its metadata in the database that all daemons share.
@Suite struct TrustRepositoryTests {
    private static let http = HTTPClient()

    /// A lab and an empty database.
    private struct Instance: Sendable {
        let lab: Lab
        let pool: ConnectionPool
        let pinned: [UInt8]
        let url: String

        func site(_ url: String? = nil) -> TUFHTTPRepository {
            let route = HTTPRoute.toTestServer
            let url = url ?? self.url
            return TUFHTTPRepository(
                metadataURL: url, targetsURL: url + "/targets", http: TrustRepositoryTests.http, route: route)
        }

        /// A source as a daemon has it.
        func source(url: String? = nil) -> TrustRepository {
            TrustRepository(
                TUFClient(
                    pinnedRoot: pinned, repository: site(url),
                    cache: TUFDatabaseCache(pool: pool, repository: self.url)),
                trustedRoot: "trusted_root.json", signingConfig: "signing_config.v0.2.json",
                origin: url ?? self.url,
                interval: .seconds(3600))
        }

        func keeper(_ metrics: TrustMetrics = TrustMetrics(MetricsRegistry()), url: String? = nil) async throws
            -> TrustKeeper
        {
            try await TrustKeeper(
                source(url: url), allowsLab: true,
                services: { config, now throws(TrustError) in
                    try SigstoreConfiguration.leftToTheInstance.services(config, at: now)
                }, metrics: metrics, logger: .silent)
        }
    }

    private static func withInstance(_ body: @escaping @Sendable (Instance) async throws -> Void) async throws {
        let folder = try TemporaryDirectory()
        let configuration = LabConfiguration(directory: folder.path + "/lab")
        let pool = ConnectionPool(try await PostgresCluster.database(migratedFrom: "migrations"), size: 4)
        try await Lab.withRunning(configuration, logger: .silent) { lab in
            try await body(
                Instance(
                    lab: lab, pool: pool, pinned: try await lab.tufRootJSON, url: try await lab.endpoints.tuf))
        }
        await pool.close()
        withExtendedLifetime(folder) {}
    }

    @Test func `of what was kept and has expired the role and its end are told`() async throws {
        try await Self.withInstance { instance in
            let source = instance.source()
            _ = try await source.documents()
            let trust = try Trust(try await source.keptDocuments(acceptsExpired: true), origin: source.origin)
            #expect(trust.expiry() == nil)
            let first = try #require(trust.roles.min { $0.expires < $1.expires })
            #expect(trust.expiry(at: first.expires.addingTimeInterval(-1)) == nil)
            let expiry = try #require(trust.expiry(at: first.expires))
            #expect(expiry.role == first.name && expiry.expiredAt == first.expires && expiry.origin == source.origin)
            #expect(expiry.warning.contains("its role \(first.name) expired at \(first.expires.formatted(.iso8601))"))
        }
        // files never expire
        #expect(Trust(verifier: Verifier(root: try RecordedReference.trustedRoot()), origin: "f").expiry() == nil)
    }

    @Test func `rotations of keys and services are followed without a restart`() async throws {
        try await Self.withInstance { instance in
            let metrics = TrustMetrics(MetricsRegistry())
            let keeper = try await instance.keeper(metrics)
            let endpoints = try await instance.lab.endpoints
            #expect(try keeper.services().fulcio?.url == endpoints.fulcio)
            #expect(keeper.current.roles.map(\.name) == ["root", "timestamp", "snapshot", "targets"])
            let authorities = keeper.current.trustedRoot.certificateAuthorities.count

            try await instance.lab.rotate(.fulcio)
            #expect(try await keeper.refresh())
            #expect(keeper.current.trustedRoot.certificateAuthorities.count == authorities + 1)
            #expect(metrics.rotations.value() == 1)

            // new keys of the repository itself change nothing that is signed with
            let known = keeper.current.roles.map(\.keyIDs)
            try await instance.lab.change(.rotateRoot)
            try await instance.lab.change(.rotateKeys)
            #expect(try await !keeper.refresh())
            #expect(zip(keeper.current.roles.map(\.keyIDs), known).allSatisfy { $0 != $1 })
            #expect(keeper.current.roles[0].version == 3)
            #expect(metrics.stale.value() == 0)
        }
    }

    @Test func `a rollback is noticed by every daemon, also by one that starts anew`() async throws {
        try await Self.withInstance { instance in
            let metrics = TrustMetrics(MetricsRegistry())
            let first = try await instance.keeper(metrics)
            try await instance.lab.rotate(.tsa)
            try await first.refresh()
            let count = first.current.trustedRoot.timestampAuthorities.count

            try await instance.lab.change(.rollBack)
            let error = await #expect(throws: TrustError.self) { try await first.refresh() }
            #expect(error?.code == "tuf.rollback")
            #expect(first.current.trustedRoot.timestampAuthorities.count == count)
            #expect(metrics.stale.value() == 1 && metrics.failures.value("tuf.rollback") == 1)
            // it never saw the newer state itself
            let second = await #expect(throws: TrustError.self) { _ = try await instance.keeper() }
            #expect(second?.code == "tuf.rollback")

            try await instance.lab.change(.republish)
            try await first.refresh()
            #expect(metrics.stale.value() == 0)
            #expect(try await instance.keeper().current.trustedRoot.timestampAuthorities.count == count)
        }
    }

    @Test func `without the repository a daemon starts with what another one kept, and raises the alarm`() async throws
    {
        try await Self.withInstance { instance in
            let nobody = "http://127.0.0.1:1"
            let none = await #expect(throws: TrustError.self) { _ = try await instance.keeper(url: nobody) }
            #expect(none?.code == "tuf.unreachable")
            _ = try await instance.keeper()
            let metrics = TrustMetrics(MetricsRegistry())
            let keeper = try await instance.keeper(metrics, url: nobody)
            #expect(metrics.stale.value() == 1)
            #expect(try keeper.services().logs.count == 1)
        }
    }

    @Test func `what a repository answers is a file, no file, or a reason`() async throws {
        try await Self.withInstance { instance in
            let site = instance.site()
            let root = try await site.metadata("1.root.json", atMost: 1 << 20)
            let missing = try await site.metadata("900.root.json", atMost: 1 << 20)
            #expect(root == instance.pinned && missing == nil)
            await #expect(throws: TUFError.tooLong(file: "1.root.json", limit: 10)) {
                _ = try await site.metadata("1.root.json", atMost: 10)
            }
            for (status, isTransient) in [(500, true), (429, true), (418, false)] {
                instance.lab.faults.set(Fault(.status(status)), for: .tuf)
                let error = await #expect(throws: TUFError.self) { _ = try await site.target("x", atMost: 10) }
                #expect(error?.code == "tuf.unreachable" && error?.isTransient == isTransient, "\(status)")
            }
            instance.lab.faults.set(Fault(.status(403)), for: .tuf)
            let withheld = try await site.target("x", atMost: 10)
            #expect(withheld == nil, "as object stores answer")
            instance.lab.faults.clear()
        }
    }

    @Test func `when the metadata has run out nothing new is signed, and verification goes on`() async throws {
        try await Self.withInstance { instance in
            let keeper = try await instance.keeper()
            try await instance.lab.change(.expire(["timestamp"]))
            let error = await #expect(throws: TrustError.self) { try await keeper.refresh() }
            #expect(error?.code == "tuf.expired")
            _ = try keeper.services()
            let end = try #require(keeper.current.firstToExpire?.expires)
            let refused = #expect(throws: TrustError.self) { try keeper.services(at: end) }
            #expect(refused?.code == "trust.expired")
            #expect(keeper.current.trustedRoot.isLab)
        }
    }

    @Test func `daemons that start together take turns and agree`() async throws {
        try await Self.withInstance { instance in
            try await withThrowingTaskGroup(of: [TrustRole].self) { group in
                for _ in 0..<4 { group.addTask { try await instance.keeper().current.roles } }
                var seen: [[TrustRole]] = []
                for try await roles in group { seen.append(roles) }
                #expect(seen.count == 4 && Set(seen.map { $0.map(\.version) }).count == 1)
            }
            let turns = try await instance.pool.query("SELECT count(*) AS turns FROM countersign.tuf_turn")
            #expect(try turns.first?.decode("turns", as: Int.self) == 0)
        }
    }

    @Test func `what is newer stays in the database, whoever writes last`() async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(migratedFrom: "migrations"), size: 2)
        let (ahead, behind) = (
            TUFDatabaseCache(pool: pool, repository: "r"), TUFDatabaseCache(pool: pool, repository: "r")
        )
        try await ahead.store([2], of: "timestamp", version: 7, under: 3)
        try await behind.store([1], of: "timestamp", version: 6, under: 3)
        #expect(try await behind.metadata(of: "timestamp") == [2])
        try await behind.store([1], of: "timestamp", version: 900, under: 2)
        try await behind.forget("timestamp", under: 3)
        #expect(try await behind.metadata(of: "timestamp") == [2])
        // after a rotation versions begin anew
        try await ahead.forget("timestamp", under: 4)
        #expect(try await ahead.metadata(of: "timestamp") == nil)
        try await ahead.store([4], of: "timestamp", version: 1, under: 4)
        try await behind.store([5], of: "timestamp", version: 8, under: 3)
        #expect(try await behind.metadata(of: "timestamp") == [4])
        #expect(try await TUFDatabaseCache(pool: pool, repository: "other").metadata(of: "timestamp") == nil)
        await pool.close()
    }
}

extension SigstoreConfiguration {
    /// All services are the instance's.
    static var leftToTheInstance: SigstoreConfiguration {
        SigstoreConfiguration(
            trust: .clientTrustConfig("unused"), fulcio: nil, timestampAuthority: nil, rekor: nil,
            identity: IdentityConfiguration(
                token: .environment("TOKEN"), subjectAlternativeName: "a@example.com",
                issuer: "https://issuer.example.com"))
    }
}
