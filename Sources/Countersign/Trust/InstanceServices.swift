package import FoundationEssentials
package import Sigstore

/// Where we sign at one moment, and how each service is reached.
package struct InstanceServices: Sendable, Equatable {
    /// nil only where every identity is a key of our own.
    package var fulcio: UpstreamConfiguration?
    /// The authorities that timestamp each signature; empty only where every log dates its entries itself.
    package var timestampAuthorities: [UpstreamConfiguration]
    /// The logs, in the order of preference.
    package var logs: [Log]
    /// How many of them get an entry of each bundle.
    package var entriesPerBundle = 1

    /// A transparency log.
    package struct Log: Sendable, Equatable {
        /// Its name in the configuration, or its host.
        package var name: String
        /// The API it speaks.
        package var api: RekorAPI
        package var upstream: UpstreamConfiguration
        /// Where a log of tiles has them, if not where it takes entries.
        package var tilesURL: String?
        /// Who must have cosigned its checkpoints, and how many of them; none by default.
        package var witnesses: [Witness] = []
        package var witnessQuorum = 0

        package init(name: String, api: RekorAPI, upstream: UpstreamConfiguration, tilesURL: String? = nil) {
            self.name = name
            self.api = api
            self.upstream = upstream
            self.tilesURL = tilesURL
        }
    }

    package init(fulcio: UpstreamConfiguration?, timestampAuthorities: [UpstreamConfiguration], logs: [Log]) {
        self.fulcio = fulcio
        self.timestampAuthorities = timestampAuthorities
        self.logs = logs
    }
}

extension SigstoreConfiguration {
    /// The services of that moment: those that the configuration names, and the signing configuration's for the rest.
    /// - Throws: ``TrustError/noService(_:)`` if there is none of a kind, ``TrustError/publicLog(_:)`` if one of the signing
    ///   configuration's writes to a public log and nobody said that this is meant.
    package func services(_ signingConfig: SigningConfig?, at now: Date) throws(TrustError) -> InstanceServices {
        var services = InstanceServices(
            fulcio: fulcio, timestampAuthorities: timestampAuthority.map { [$0] } ?? [],
            logs: namedLogs)
        if let signingConfig { try complete(&services, from: signingConfig, at: now) }
        guard !services.logs.isEmpty else { throw .noService("no transparency log is named") }
        guard services.fulcio != nil || allIdentities.allSatisfy({ $0.identity.token == nil }) else {
            throw .noService("no certificate authority is named")
        }
        return services
    }

    /// The logs that entries of this instance may be in: those that the configuration names, and those of the signing
    /// configuration, also outside the time in which they take new ones.
    package func knownLogs(_ signingConfig: SigningConfig?) -> [InstanceServices.Log] {
        let others = signingConfig?.tlogs ?? []
        // those of an API that we do not speak are nobody's to ask
        return namedLogs + others.compactMap { try? log($0) }
    }

    private func log(_ service: SigningConfig.Service) throws(SigstoreError) -> InstanceServices.Log {
        let (api, upstream) = (try RekorAPI(version: service.majorApiVersion), upstream(service))
        return witnessed(.init(name: upstream.host ?? service.url, api: api, upstream: upstream))
    }

    private func complete(
        _ services: inout InstanceServices, from signingConfig: SigningConfig, at now: Date
    ) throws(TrustError) {
        do throws(SigstoreError) {
            if services.fulcio == nil {
                services.fulcio = upstream(try signingConfig.certificateAuthority(at: now))
            }
            if services.timestampAuthorities.isEmpty {
                services.timestampAuthorities = try signingConfig.authorities(at: now).map(upstream)
            }
            if services.logs.isEmpty {
                var chosen = try signingConfig.logs(at: now)
                services.entriesPerBundle = chosen.count
                // legacy signatures need a log that dates its entries, also where bundles have a newer one
                let dating = Set(RekorAPI.all.filter(\.datesEntries).map(\.version))
                if !chosen.contains(where: { dating.contains($0.majorApiVersion) }),
                    let older = try? signingConfig.log(at: now, supporting: dating)
                {
                    chosen.append(older)
                }
                for service in chosen { services.logs.append(try log(service)) }
            }
        } catch {
            throw .noService(error.observed)
        }
        for upstream in [services.fulcio].compactMap(\.self) + services.logs.map(\.upstream)
        where publicLog == .unacknowledged && upstream.isPublicInstance {
            throw .publicLog(upstream.host ?? upstream.url)
        }
    }

    /// The log with the witnesses that are configured for its host, unless it has its own.
    package func witnessed(_ log: InstanceServices.Log) -> InstanceServices.Log {
        guard log.api.isTiled, log.witnesses.isEmpty, let host = log.upstream.host,
            let watch = witnesses.first(where: { watch in watch.logs.contains { $0.matches(host) } })
        else { return log }
        var log = log
        (log.witnesses, log.witnessQuorum) = (watch.keys, watch.quorum)
        return log
    }

    private func upstream(_ service: SigningConfig.Service) -> UpstreamConfiguration {
        var upstream = upstreams
        upstream.url = service.url
        return upstream
    }
}

extension UpstreamConfiguration {
    /// Whether it belongs to an instance whose log everybody reads.
    var isPublicInstance: Bool {
        [".sigstore.dev", ".sigstage.dev"].contains { host?.hasSuffix($0) == true }
    }
}
