package import Curl
import FoundationEssentials
package import Logging
import OpenSSL
package import Postgres
package import Sigstore
package import TUF

extension TrustKeeper {
    /// The keeper of the configured source. A lab's root is refused in production, now and at every rotation.
    /// - Parameters:
    ///   - pool: where the metadata of a TUF repository is kept for all daemons; nil keeps it in memory.
    ///   - checksPolicy: whether the services must do for every rule of the policy: for whoever signs.
    package convenience init(
        _ configuration: Configuration, http: HTTPClient, pool: ConnectionPool?, checksPolicy: Bool,
        metrics: TrustMetrics = TrustMetrics(MetricsRegistry()), logger: Logger
    ) async throws(TrustError) {
        let sigstore = configuration.sigstore
        // one that cannot be read is told by whoever signs with it
        let keys = checksPolicy ? sigstore.managedKeys.compactMapValues { try? $0.get() } : [:]
        try await self.init(
            try sigstore.trust.source(http: http) { repository in
                if let pool { TUFDatabaseCache(pool: pool, repository: repository) } else { TUFMemoryCache() }
            },
            allowsLab: configuration.environment == .development, demanding: sigstore.demands,
            services: { config, now throws(TrustError) in try sigstore.services(config, at: now) },
            check: { config, services, now throws(TrustError) in
                if checksPolicy { try configuration.check(services, of: config, keys: keys, at: now) }
            }, metrics: metrics, logger: logger)
    }
}

extension SigstoreConfiguration {
    /// What our own signatures, and all that is verified as this configuration says, must bring.
    package var demands: Verifier.Demands {
        var demands = Verifier.Demands.standard
        demands.acceptsUntransparentCertificates = certificateTransparency == .none
        return demands
    }
}

extension TrustConfiguration {
    /// The source that the configuration names.
    /// - Parameter cache: where a TUF repository's metadata is kept, given a text that tells repositories apart.
    package func source(
        http: HTTPClient, cache: (_ repository: String) -> any TUFCache
    ) throws(TrustError) -> any TrustSource {
        switch self {
        case .files(let root, let signingConfig): TrustFiles(trustedRoot: root, signingConfig: signingConfig)
        case .clientTrustConfig(let path): ClientTrustFile(path)
        case .tuf(let tuf): try tuf.repository(http: http, cache: cache)
        }
    }
}

extension TUFConfiguration {
    /// The repository, from its pinned root on.
    package func repository(
        http: HTTPClient, cache: (_ repository: String) -> any TUFCache
    ) throws(TrustError) -> TrustRepository {
        repository(from: try TrustFile.bytes(root), http: http, cache: cache)
    }

    /// The same from a pinned root that was read already.
    func repository(
        from pinned: [UInt8], http: HTTPClient, cache: (_ repository: String) -> any TUFCache
    ) -> TrustRepository {
        // another pinned root is another line of trust, whatever was cached under this URL before
        let identity = "\(site.url)#\(Hex.encode(Hash.sha256(pinned)).prefix(16))"
        let folder = site.url.hasSuffix("/") ? site.url : site.url + "/"
        let client = TUFClient(
            pinnedRoot: pinned,
            repository: TUFHTTPRepository(
                metadataURL: folder, targetsURL: targetsURL ?? folder + "targets", http: http, route: site.route),
            cache: cache(identity))
        return TrustRepository(
            client, trustedRoot: trustedRoot, signingConfig: signingConfig, origin: site.url, interval: refresh)
    }
}
