import Dispatch
import FoundationEssentials
import Hummingbird
public import Logging
import NIOCore
import OpenSSL
public import ServiceLifecycle

/// A whole Sigstore in one process: OpenID Connect issuers, Fulcio with a CT log, Rekor v1 and a timestamp authority.
///
/// For demos, tests and work without a network. **Not for production**: it gives a certificate for any identity to
/// whoever can reach its ports. Its CAs say so in their names, its answers in the header `X-Countersign-Lab`.
///
/// ```swift
/// let lab = try await Lab(LabConfiguration(directory: ".lab"), logger: logger)
/// try await lab.run()                                   // until graceful shutdown or cancellation
/// ```
public final class Lab: Service {
    /// Faults in force; the same that `/lab/faults` shows on each port.
    public let faults = FaultBoard()

    private let configuration: LabConfiguration
    private let logger: Logger
    private let parts: Parts
    private let start: LabStart
    private let issuers: IssuerSite
    private let trust: TrustMaterial
    private let ready = Gate<LabEndpoints>()

    /// Opens the folder, making keys and logs that are not there yet. Nothing listens until ``run()``.
    ///
    /// - Throws: `LabError.storage` if keys or logs in the folder cannot be used.
    public init(_ configuration: LabConfiguration, logger: Logger = Logger(label: "lab")) async throws {
        self.configuration = configuration
        self.logger = logger
        parts = try await Parts.load(configuration)
        start = LabStart(host: configuration.externalHost ?? configuration.host)
        issuers = IssuerSite(tokens: parts.tokens, configuration: configuration, start: start)
        trust = TrustMaterial(
            validFrom: parts.validFrom, fulcio: parts.authority, ctKey: parts.certificateLog.publicKey,
            rekorKey: parts.rekorLog.publicKey, timestampChain: parts.timestamps.chain)
    }

    /// Where the services answer; waits until they do and until the files in the folder are written.
    ///
    /// - Throws: `LabError.notStarted`, or what ``run()`` failed with.
    public var endpoints: LabEndpoints {
        get async throws { try await ready.value }
    }

    /// `trusted_root.json` as written to the folder.
    public var trustedRootJSON: [UInt8] {
        get async throws { try trust.trustedRoot(await endpoints) }
    }

    /// `signing_config.json` as written to the folder.
    public var signingConfigJSON: [UInt8] {
        get async throws { try trust.signingConfig(await endpoints) }
    }

    /// Entries in the Rekor log now, durable ones only.
    public var rekorSize: Int { parts.rekorLog.size }

    /// Certificates in the CT log now: one for each that Fulcio issued.
    public var certificatesIssued: Int { parts.certificateLog.size }

    /// A fresh identity token. The issuer's clock fault applies; a negative lifetime gives an expired token.
    ///
    /// - Parameters:
    ///   - subject: `sub` (for the e-mail issuer the address); the issuer's default if `nil`.
    ///   - audience: `aud`; the configured one if `nil`.
    /// - Throws: `LabError.token` if the issuer cannot give that subject, `LabError.notStarted`.
    public func token(
        subject: String? = nil, audience: String? = nil, lifetime: Duration = .seconds(600),
        issuer kind: IssuerKind = .kubernetes
    ) async throws -> String {
        let endpoints = try await endpoints
        let issuer = Issuer(kind: kind, url: endpoints.issuer(kind), origin: endpoints.oidc)
        let offset = faults.clockOffset(of: .oidc) / .seconds(1)
        return try issuers.token(
            from: issuer, subject: subject, audience: audience, lifetime: lifetime,
            now: Date().addingTimeInterval(offset))
    }

    /// Listens and answers until graceful shutdown or cancellation.
    public func run() async throws {
        logger.warning(
            """
            *** COUNTERSIGN LAB: NOT FOR PRODUCTION. Whoever reaches these ports can be anyone. ***
            """, metadata: ["lab.folder": "\(configuration.directory)", "lab.host": "\(configuration.host)"])
        let files = LabFiles(
            configuration: configuration, start: start, trust: trust, issuers: issuers, board: faults, ready: ready,
            logger: logger)
        let group = ServiceGroup(configuration: .init(services: sites.map(application) + [files], logger: logger))
        let ended = LabError.notStarted("the lab ended")
        do {
            try await group.run()
            stop(ended)
        } catch {
            stop(error)
            throw error
        }
    }

    /// Runs a lab for the length of `body`, then shuts it down: for tests.
    public static func withRunning<Result: Sendable>(
        _ configuration: LabConfiguration, logger: Logger = Logger(label: "lab"),
        _ body: @escaping @Sendable (Lab) async throws -> Result
    ) async throws -> Result {
        let lab = try await Lab(configuration, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [lab], logger: logger))
        async let running: Void = group.run()
        do {
            _ = try await lab.endpoints
            let result = try await body(lab)
            await group.triggerGracefulShutdown()
            try await running
            return result
        } catch {
            await group.triggerGracefulShutdown()
            try? await running
            throw error
        }
    }

    private var sites: [any LabSite] {
        let log = CertificateLogSite(log: parts.certificateLog, roots: [parts.authority.root])
        return [
            issuers,
            FulcioSite(
                authority: parts.authority, tokens: parts.tokens, audience: configuration.audience, log: log,
                start: start),
            RekorSite(log: parts.rekorLog),
            TimestampSite(authority: parts.timestamps),
        ]
    }

    private func application(_ site: any LabSite) -> any Service {
        let responder = LabResponder(
            site: site, board: faults, latency: configuration.latency[site.service] ?? .zero, logger: logger)
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)  // one "listening" line a port says nothing to a user
        return Application(
            responder: responder,
            configuration: .init(address: .hostname(configuration.host, port: port(site.service))),
            onServerRunning: { [start] channel in
                start.listening(site.service, port: channel.localAddress?.port ?? 0)
            }, logger: quiet)
    }

    private func port(_ service: LabService) -> Int {
        switch service {
        case .oidc: configuration.ports.oidc
        case .fulcio: configuration.ports.fulcio
        case .rekor: configuration.ports.rekor
        case .tsa: configuration.ports.tsa
        }
    }

    private func stop(_ error: any Error) {
        start.fail(error)
        ready.open(.failure(error))
    }

    /// What is kept in the folder, loaded.
    private struct Parts: Sendable {
        let validFrom: Date
        let tokens: IdentityTokens
        let authority: CertificateAuthority
        let certificateLog: CertificateLog
        let rekorLog: RekorLog
        let timestamps: TimestampAuthority

        /// Key generation and reading the logs block: they have a thread of their own.
        static func load(_ configuration: LabConfiguration) async throws -> Parts {
            try await withCheckedThrowingContinuation { continuation in
                DispatchQueue(label: "lab.load").async {
                    continuation.resume(with: Result { try Parts(configuration) })
                }
            }
        }

        private init(_ configuration: LabConfiguration) throws {
            let folder = configuration.directory
            for part in [folder, "\(folder)/keys", "\(folder)/log"] { try AtomicFile.makeFolder(part) }
            let store = try KeyStore(folder: "\(folder)/keys")
            validFrom = store.validFrom
            tokens = IdentityTokens(
                rsa: try store.key("oidc-rsa", .rsa(bits: 2048)), ec: try store.key("oidc-ec", .ecdsaP256))
            authority = try CertificateAuthority(store)
            certificateLog = try CertificateLog(path: "\(folder)/log/ct", key: try store.key("ct", .ecdsaP256))
            rekorLog = try RekorLog(
                path: "\(folder)/log/rekor", key: try store.key("rekor", .ecdsaP256), treeID: try store.treeID(),
                host: configuration.logHost)
            timestamps = try TimestampAuthority(store)
        }
    }
}
