import Curl
import FoundationEssentials
import Logging
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support

@testable import Countersign

/// The whole line on real parts: PostgreSQL, `docker-registry` and a Sigstore, each of the three services and the
/// registry behind a relay that can have accidents. Database and relays are the test's own; registry and lab are shared.
struct SigningLine: Sendable {
    static let isPossible = DockerRegistry.program != nil
    static let registryName = "registry.example"

    let database: QueueFixture
    let lab: Lab
    let repository: Repository
    let registry: FaultRelay
    let fulcio: FaultRelay
    let rekor: FaultRelay
    /// Whether that is the lab's log of tiles, which daemons over Rekor v2 then reach through it.
    private let isOfTiles: Bool
    let tsa: FaultRelay
    /// The registry as a pusher sees it, past the relay.
    let pusher: RegistryClient
    let folder: TemporaryDirectory
    var tokenFile: String { folder.path + "/token" }

    /// - Parameters:
    ///   - lab: one of its own, for a test that turns its clocks.
    ///   - otherRegistry: in place of the shared one.
    ///   - ofTiles: whether accidents of the log are to be those of the lab's log of tiles.
    init(lab own: Lab? = nil, registry otherRegistry: DockerRegistry? = nil, ofTiles: Bool = false) async throws {
        if let own { lab = own } else { lab = try await Shared.lab.value }
        let endpoints = try await lab.endpoints
        let server: DockerRegistry
        if let otherRegistry { server = otherRegistry } else { server = try await Shared.registry.value }
        database = try await QueueFixture()
        registry = try FaultRelay(to: server.port)
        fulcio = try FaultRelay(to: Self.port(of: endpoints.fulcio))
        rekor = try FaultRelay(to: Self.port(of: ofTiles ? endpoints.rekor2 : endpoints.rekor))
        isOfTiles = ofTiles
        tsa = try FaultRelay(to: Self.port(of: endpoints.tsa))
        let name = "team-" + UUID().uuidString.prefix(8).lowercased() + "/app"
        repository = try Repository(registry: Self.registryName, name: name)
        pusher = try Self.client("http://127.0.0.1:\(server.port)")
        folder = try TemporaryDirectory()
        try await useToken()
    }

    /// Puts another token where the daemons look.
    func useToken(subject: String? = nil, audience: String? = nil, lifetime: Duration = .seconds(600)) async throws {
        try folder.write(try await lab.token(subject: subject, audience: audience, lifetime: lifetime), to: "token")
    }

    private init(_ line: SigningLine, database: QueueFixture) {
        (self.database, lab, repository, pusher) = (database, line.lab, line.repository, line.pusher)
        (registry, fulcio, rekor, tsa) = (line.registry, line.fulcio, line.rekor, line.tsa)
        isOfTiles = line.isOfTiles
        folder = line.folder
    }

    /// The same line after the loss of its database.
    func withFreshDatabase() async throws -> SigningLine { SigningLine(self, database: try await QueueFixture()) }

    // MARK: Daemons

    /// What can differ between two daemons on one line.
    struct Setup: Sendable {
        var rules = [Self.rule()]
        var subject = "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"
        var audience = "sigstore"
        var trustedRoot: [UInt8]?
        /// Of every signature that it verifies, its own among them.
        var demands = Verifier.Demands.standard
        var settings = Self.patient
        var isTimestamped = true
        /// Authorities beside the line's own.
        var furtherAuthorities: [FaultRelay] = []
        var signatureRepository: String?
        /// As whom manifests are deleted.
        var deletion: RegistryConfiguration.Credentials?
        /// Over the lab's log of tiles.
        var isRekorV2 = false
        /// Over both of the lab's logs, the one of tiles through this relay: a bundle is entered in each.
        var tiles: FaultRelay?
        /// Documents larger than so many bytes are not put whole into what is signed at once.
        var inlineLimit = 1 << 20
        /// In place of a certificate.
        var key: ManagedKey?
        /// Of an identity that no rule names any more.
        var formerKey: ManagedKey?
        var tenants: [TenantConfiguration] = []
        /// Shared with the other daemons of the database; nil: nobody counts.
        var budgets: BudgetConfiguration?

        /// Jobs that are claimed together are attempted one after the other and nobody renews their leases: on a busy machine the
        /// last of a dozen would come after its end. Tests of leases end them in the database.
        static let patient: JobQueue.Settings = {
            var settings = JobQueue.Settings()
            settings.lease = .seconds(600)
            return settings
        }()

        static func rule(
            _ name: String = "all", glob: String = "**", index: PolicyConfiguration.IndexSigning = .index,
            formats: [SignatureFormat] = [.bundle]
        ) -> PolicyConfiguration.Rule {
            guard let glob = try? Glob(glob) else { preconditionFailure("not a glob: \(glob)") }
            var rule = PolicyConfiguration.Rule(name: name, repositories: [glob], index: index)
            rule.formats = formats
            return rule
        }

        static func formats(_ formats: [SignatureFormat]) -> Setup {
            var setup = Setup()
            setup.rules = [rule(formats: formats)]
            return setup
        }

        static func index(_ index: PolicyConfiguration.IndexSigning) -> Setup {
            var setup = Setup()
            setup.rules = [rule(index: index)]
            return setup
        }
    }

    /// A daemon's worker half: its own window, its own memory of the registry, its own worker id.
    func daemon(_ setup: Setup = .init()) async throws -> SigningDaemon {
        let endpoints = try await lab.endpoints
        let root: [UInt8]
        if let given = setup.trustedRoot { root = given } else { root = try await lab.trustedRootJSON }
        let dependencies = setup.budgets.map { Dependencies.test($0, database) }
        let source: any IdentityTokenSource = FileTokenSource(path: tokenFile)
        let identity = SigningIdentity(
            name: "default",
            means: setup.key.map { .key($0) }
                ?? .keyless(
                    CertificateWindow(
                        fulcio: FulcioClient(
                            url: fulcio.url, http: Self.http(dependencies?.gate(.fulcio, fulcio.url)),
                            route: Self.route, audience: setup.audience),
                        source: dependencies.map { GatedTokenSource(source, gate: $0.gate(.identity, "default")) }
                            ?? source, audience: setup.audience),
                    SigningIdentity.ExpectedIdentity(
                        subjectAlternativeName: setup.subject, issuer: endpoints.issuer(.kubernetes))))
        var logs = [
            SigningServices.Log(
                name: "rekor",
                client: setup.isRekorV2
                    ? try rekorV2(at: isOfTiles ? rekor.url : endpoints.rekor2, root)
                    : rekorV1(dependencies?.gate(.rekor, rekor.url)),
                gate: dependencies?.gate(.rekor, rekor.url))
        ]
        if let tiles = setup.tiles {
            let gate = dependencies?.gate(.rekor, tiles.url)
            logs.append(.init(name: "tiles", client: try rekorV2(at: tiles.url, root, gate), gate: gate))
        }
        let services = SigningServices(
            logs: logs, entriesPerBundle: logs.count,
            authorities: (setup.isTimestamped ? [tsa] + setup.furtherAuthorities : []).map { authority in
                let gate = dependencies?.gate(.tsa, authority.url)
                return .init(
                    client: TimestampClient(
                        url: authority.url + "/api/v1/timestamp", http: Self.http(gate), route: Self.route), gate: gate)
            })
        let signers = Signers(
            identities: [identity] + (setup.formerKey.map { [SigningIdentity(name: "former", means: .key($0))] } ?? []),
            trust: TrustKeeper(fixed: Verifier(root: try TrustedRoot(json: root), demanding: setup.demands)),
            caps: RepositoryCaps(setup.budgets?.repositories ?? [], pool: database.pool), services: { services })
        var configured = Self.registry(at: registry.url, signatures: setup.signatureRepository)
        configured.deletion = setup.deletion
        return try SigningDaemon(
            signers: signers,
            policy: SigningPolicy(rules: setup.rules, registries: [Self.registryName, "elsewhere.example"]),
            registries: Registries([configured], http: Self.http, dependencies: dependencies),
            database: database, dependencies: dependencies, settings: setup.settings, tenants: setup.tenants,
            inlineLimit: setup.inlineLimit)
    }

    /// A daemon whose trust and services are those of `trust`: as `serve` puts it together.
    func daemon(following trust: TrustKeeper, _ sigstore: SigstoreConfiguration) throws -> SigningDaemon {
        try SigningDaemon(
            signers: Signers(
                sigstore, trust: trust, http: Self.http, caps: RepositoryCaps([], pool: database.pool)),
            policy: SigningPolicy(rules: Setup().rules, registries: [Self.registryName]),
            registries: Registries([Self.registry(at: registry.url)], http: Self.http, dependencies: nil),
            database: database, dependencies: nil, settings: Setup.patient)
    }

    private func rekorV1(_ gate: DependencyGate?) -> any TransparencyLog {
        RekorV1(url: rekor.url, http: Self.http(gate), route: Self.route)
    }

    private static func http(_ gate: DependencyGate?) -> HTTPClient { gate.map { http.gated(by: $0) } ?? http }

    private func rekorV2(
        at url: String, _ root: [UInt8], _ gate: DependencyGate? = nil
    ) throws -> any TransparencyLog {
        let logs = try TrustedRoot(json: root).tlogs
        return RekorV2(
            url: url, verifier: CheckpointVerifier(logs: { logs }), http: Self.http(gate), route: Self.route)
    }

    /// What intake hands over for a push.
    func push(_ digest: OCI.Digest) async throws {
        try await database.push(samplePush(digest, repository: repository.name))
    }

    // MARK: Reaching the shared services

    /// Not shared with the daemons' user agent: it pushes images.
    static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.userAgent = "signing-tests"
        return HTTPClient(configuration)
    }()

    static let route = HTTPRoute.toTestServer

    private static func client(_ url: String) throws -> RegistryClient {
        RegistryClient(try registry(at: url).endpoint, http: http)
    }

    private static func registry(at url: String, signatures: String? = nil) -> RegistryConfiguration {
        var upstream = UpstreamConfiguration(url: url)
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        var registry = RegistryConfiguration(name: registryName, upstream: upstream)
        registry.signatureRepository = signatures
        return registry
    }

    private static func port(of url: String) throws -> Int {
        guard let port = URL(string: url)?.port else { throw SupportError("no port in \(url)") }
        return port
    }

    /// Another Sigstore, with keys of its own, for the length of `body`.
    static func withAnotherLab<R: Sendable>(
        logs: LogChoice = .v1, _ body: @escaping @Sendable (Lab) async throws -> R
    ) async throws -> R {
        let folder = try TemporaryDirectory()
        var configuration = LabConfiguration(directory: folder.path + "/lab")
        (configuration.logs, configuration.checkpointInterval) = (logs, .zero)
        let result = try await Lab.withRunning(configuration, logger: SigningDaemon.silence, body)
        withExtendedLifetime(folder) {}
        return result
    }

    private enum Shared {
        static let registry = Task { try await DockerRegistry() }

        static let labFolder = Task { try TemporaryDirectory() }

        /// Runs until the process ends.
        static let lab = Task {
            let folder = try await labFolder.value
            let lab = try await Lab(
                LabConfiguration(directory: folder.path + "/lab"),
                logger: SigningDaemon.silence)
            Task { try await lab.run() }
            _ = try await lab.endpoints
            return lab
        }
    }
}

/// A daemon without its listeners: claims and attempts, one after the other or as a whole worker.
struct SigningDaemon: Sendable {
    let queue: JobQueue
    let attempt: Attempt
    let signers: Signers
    let database: QueueFixture
    /// Its gates stand before services and registry where the setup has budgets.
    let dependencies: Dependencies

    init(
        signers: Signers, policy: SigningPolicy, registries: Registries, database: QueueFixture,
        dependencies: Dependencies?, settings: JobQueue.Settings, tenants: [TenantConfiguration] = [],
        inlineLimit: Int = SigningLine.Setup().inlineLimit
    ) throws {
        self.signers = signers
        self.dependencies = dependencies ?? .test(BudgetConfiguration(), database)
        self.database = database
        queue = database.anotherQueue(settings: settings, tenants: tenants)
        attempt = Attempt(
            JobParts(
                policy: policy, registries: registries, signers: signers, journal: Journal(pool: database.pool),
                subjects: SubjectTurns(pool: database.pool), queue: queue,
                attestations: AttestationRecords(pool: database.pool), documents: DocumentStore(pool: database.pool),
                memory: DocumentMemory(capacity: 64 << 20), inlineLimit: inlineLimit),
            retry: Self.impatience, metrics: ServiceMetrics(),
            alarm: SignatureAlarm(alerts: Alerts(pool: database.pool, logger: Self.silence)), logger: Self.silence)
    }

    /// The signer of a rule that names no identity.
    var signer: Signer {
        get throws { try signers.signer(for: SigningLine.Setup.rule()) }
    }

    /// The worker that claims by itself.
    func worker(
        _ settings: Worker.Settings, signal: JobSignal = JobSignal(), progress: WorkerHeartbeat = WorkerHeartbeat()
    ) -> Worker {
        Worker(
            queue: queue, attempt: attempt, signal: signal, settings: settings, progress: progress, version: "test",
            dependencies: dependencies, logger: Self.silence)
    }

    func claimOne() async throws -> Claim {
        let claims = try await queue.claim(limit: 10, cursor: ClaimCursor())
        guard claims.count == 1, let claim = claims.first else {
            throw SupportError("\(claims.count) jobs were due, not 1")
        }
        return claim
    }

    /// One attempt at everything that is due.
    func attemptAll() async throws {
        for claim in try await queue.claim(limit: 100, cursor: ClaimCursor()) { await attempt(claim) }
    }

    /// Attempts until no job is left, waits skipped.
    func workOff(atMost rounds: Int = 10) async throws {
        for _ in 0..<rounds {
            try await database.makeDue()
            try await attemptAll()
            if try await database.jobCount() == 0 { return }
        }
    }

    /// Waits of no length, so that nothing is due later than at once.
    private static let impatience: RetryPolicy = {
        var policy = RetryPolicy()
        for backoff in [
            \RetryPolicy.dependency, \.throttled, \.identity, \.permanent, \.contended,
        ] { policy[keyPath: backoff].ceiling = .milliseconds(1) }
        policy.eventual = [.milliseconds(1)]
        return policy
    }()

    static let silence = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// The requests of a publication.
extension FaultRelay.Request {
    var isBlobUpload: Bool { method == "PUT" && path.contains("/blobs/uploads/") }
    var isReferrer: Bool { method == "PUT" && path.contains("/manifests/sha256:") }
    var isFallbackIndex: Bool { method == "PUT" && path.contains("/manifests/sha256-") && !path.hasSuffix(".sig") }
    var isLegacyTag: Bool { method == "PUT" && path.hasSuffix(".sig") }
    var isWrite: Bool { ["PUT", "POST", "PATCH", "DELETE"].contains(method) }
    var isReadBack: Bool { method == "GET" && path.contains("/blobs/sha256:") }
}

extension FaultRelay {
    /// How often the server was written to.
    var writes: Int { requests.count { $0.isWrite } }
}
