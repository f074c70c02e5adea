import FoundationEssentials
import Hummingbird
package import Logging
import NIOCore
import OpenSSL
import ServiceLifecycle

/// A whole Sigstore in one process: OpenID Connect issuers, Fulcio with a CT log, Rekor v1 and v2, a timestamp authority.
///
/// For demos, tests and work without a network. **Not for production**: it gives a certificate for any identity to
/// whoever can reach its ports. Its CAs say so in their names, its answers in the header `X-Countersign-Lab`.
///
/// ```swift
/// let lab = try await Lab(LabConfiguration(directory: ".lab"), logger: logger)
/// try await lab.run()                                   // until graceful shutdown or cancellation
/// ```
package final class Lab: Service {
    /// Faults in force; the same that `/lab/faults` shows on each port.
    package let faults = FaultBoard()

    private let configuration: LabConfiguration
    private let logger: Logger
    private let parts: LabParts
    private let start: LabStart
    private let issuers: IssuerSite
    private let publisher: TrustPublisher
    private let admin: LabAdmin
    private let ready = Gate<LabEndpoints>()

    /// Opens the folder, making keys and logs that are not there yet. Nothing listens until ``run()``.
    ///
    /// - Throws: `LabError.storage` if keys or logs in the folder cannot be used.
    package init(_ configuration: LabConfiguration, logger: Logger = Logger(label: "lab")) async throws {
        self.configuration = configuration
        self.logger = logger
        parts = try await LabParts.load(configuration)
        start = LabStart(host: configuration.externalHost ?? configuration.host)
        issuers = IssuerSite(tokens: parts.tokens, configuration: configuration, start: start)
        publisher = TrustPublisher(parts: parts, configuration: configuration, start: start)
        admin = LabAdmin(parts: parts, publisher: publisher)
    }

    /// Where the services answer; waits until they do and until the files in the folder are written.
    ///
    /// - Throws: `LabError.notStarted`, or what ``run()`` failed with.
    package var endpoints: LabEndpoints {
        get async throws { try await ready.value }
    }

    /// `trusted_root.json` as it is written to the folder now.
    package var trustedRootJSON: [UInt8] {
        get async throws { try canonicalJSON(publisher.material(await endpoints).trustedRoot) }
    }

    /// `signing_config.json` as it is written to the folder now.
    package var signingConfigJSON: [UInt8] {
        get async throws { try canonicalJSON(publisher.material(await endpoints).signingConfig) }
    }

    /// Trusted root and signing config in one file, `client_trust_config.json`.
    package var clientTrustConfigJSON: [UInt8] {
        get async throws { try canonicalJSON(publisher.material(await endpoints).clientTrustConfig) }
    }

    /// Entries in Rekor v1 now, durable ones only, over all its shards.
    package var rekorSize: Int { parts.rekor.size }

    /// Entries in Rekor v2 now, over all its shards, also those that no checkpoint covers yet.
    package var rekor2Size: Int { parts.tiledLogs.all.reduce(0) { $0 + $1.member.size } }

    /// Certificates in the CT logs now: one for each that Fulcio issued.
    package var certificatesIssued: Int { parts.certificateLogs.all.reduce(0) { $0 + $1.member.size } }

    /// Keys of the witnesses as tools for signed notes take them: `name+hint+key`.
    package var witnessKeys: [String] { parts.witnesses.map(\.verifierKey) }

    /// The first root of the TUF repository: what a client pins.
    package var tufRootJSON: [UInt8] {
        get async throws {
            _ = try await endpoints
            guard let root = try await parts.repository.file("1.root.json") else {
                throw LabError.notStarted("no TUF root was published")
            }
            return root
        }
    }

    /// What a test or an operator does to the TUF repository.
    package func change(_ change: RepositoryChange) async throws { try await admin.change(change) }

    /// Makes new material and puts it to use: the old is closed, both stand in the trusted root from now on.
    ///
    /// - Throws: `LabError.storage`; `LabError.notStarted` before the lab listens.
    package func rotate(_ material: LabMaterial) async throws { try await admin.rotate(material) }

    /// Freezes the current shard of Rekor v2 and starts no new one: appends are answered 405.
    package func freezeRekor2() async throws { try await admin.freeze() }

    /// A fresh identity token. The issuer's clock fault applies; a negative lifetime gives an expired token.
    ///
    /// - Parameters:
    ///   - subject: `sub` (for the e-mail issuer the address); the issuer's default if `nil`.
    ///   - audience: `aud`; the configured one if `nil`.
    ///   - workflow: for the GitHub issuer, claims in place of the made-up ones.
    /// - Throws: `LabError.token` if the issuer cannot give that subject, `LabError.notStarted`.
    package func token(
        subject: String? = nil, audience: String? = nil, lifetime: Duration = .seconds(600),
        issuer kind: IssuerKind = .kubernetes, workflow: [String: String] = [:]
    ) async throws -> String {
        let endpoints = try await endpoints
        let issuer = Issuer(kind: kind, url: endpoints.issuer(kind), origin: endpoints.oidc)
        let offset = faults.clockOffset(of: .oidc) / .seconds(1)
        return try issuers.token(
            from: issuer, subject: subject, audience: audience, lifetime: lifetime,
            now: Date().addingTimeInterval(offset), workflow: workflow)
    }

    /// Listens and answers until graceful shutdown or cancellation.
    package func run() async throws {
        logger.warning(
            """
            *** COUNTERSIGN LAB: NOT FOR PRODUCTION. Whoever reaches these ports can be anyone. ***
            """, metadata: ["lab.folder": "\(configuration.directory)", "lab.host": "\(configuration.host)"])
        let files = LabFiles(
            configuration: configuration, start: start, publisher: publisher, issuers: issuers, board: faults,
            ready: ready, logger: logger)
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
    package static func withRunning<Result: Sendable>(
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
        let log = CertificateLogSite(logs: parts.certificateLogs, authorities: parts.authorities)
        return [
            issuers,
            FulcioSite(
                authorities: parts.authorities, tokens: parts.tokens, audience: configuration.audience, log: log,
                start: start),
            RekorSite(log: parts.rekor),
            RekorTilesSite(shards: parts.tiledLogs),
            TimestampSite(authorities: parts.timestamps),
            MetadataSite(repository: parts.repository),
        ]
    }

    private func application(_ site: any LabSite) -> any Service {
        let responder = LabResponder(
            site: site, board: faults, admin: admin, latency: configuration.latency[site.service] ?? .zero,
            logger: logger)
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
        case .rekor2: configuration.ports.rekor2
        case .tsa: configuration.ports.tsa
        case .tuf: configuration.ports.tuf
        }
    }

    private func stop(_ error: any Error) {
        start.fail(error)
        ready.open(.failure(error))
    }
}
