package import Curl
import Sigstore

extension Signers {
    /// The signers of the configuration: every identity with its own certificate window, over the services of the moment.
    ///
    /// With `records` what the logs say is remembered, and an alarm stops signing in one; with `dependencies` their gates
    /// stand before the services.
    package init(
        _ configuration: SigstoreConfiguration, trust: TrustKeeper, http: HTTPClient, records: LogRecords? = nil,
        dependencies: Dependencies? = nil, caps: RepositoryCaps
    ) throws {
        let retired = RetiredLogs(
            trust, upstream: configuration.upstreams, http: http, records: records, dependencies: dependencies,
            witnessed: { configuration.witnessed($0) })
        let clients = ServiceClients(trust) {
            SigningServices(
                $0, trust: trust, http: http, records: records, dependencies: dependencies, retired: retired)
        }
        self.init(
            identities: try configuration.allIdentities.map {
                try SigningIdentity(
                    $0.identity, name: $0.name, configuration.window, trust: trust, http: http,
                    dependencies: dependencies)
            },
            trust: trust, caps: caps, services: { try clients.current() })
        _ = try clients.current()
    }
}

extension SigningServices {
    fileprivate init(
        _ services: InstanceServices, trust: TrustKeeper, http: HTTPClient, records: LogRecords?,
        dependencies: Dependencies?, retired: RetiredLogs
    ) {
        self.init(
            logs: services.logs.map { log in
                let gate = dependencies?.gate(.rekor, log.upstream.url)
                let http = gate.map { http.gated(by: $0) } ?? http
                return Log(name: log.name, client: log.client(trust, http: http, records: records), gate: gate)
            }, entriesPerBundle: services.entriesPerBundle,
            authorities: services.timestampAuthorities.map { authority in
                let gate = dependencies?.gate(.tsa, authority.url)
                let http = gate.map { http.gated(by: $0) } ?? http
                return Authority(
                    client: TimestampClient(url: authority.url, http: http, route: authority.route), gate: gate)
            }, retired: retired)
    }
}

extension SigningIdentity {
    fileprivate init(
        _ identity: IdentityConfiguration, name: String, _ window: WindowConfiguration, trust: TrustKeeper,
        http: HTTPClient, dependencies: Dependencies?
    ) throws {
        switch identity.proof {
        case .key(let key): self.init(name: name, means: .key(try ManagedKey(key)))
        case .token(let token):
            let audience = identity.audience
            let authorities = ServiceClients(trust) { services throws(TrustError) in
                guard let fulcio = services.fulcio else { throw .noService("no certificate authority is named") }
                let gate = dependencies?.gate(.fulcio, fulcio.url)
                return FulcioClient(
                    url: fulcio.url, http: gate.map { http.gated(by: $0) } ?? http, route: fulcio.route,
                    audience: audience)
            }
            let authority: CertificateWindow.Authority = { () throws(SigstoreError) in
                do { return try authorities.current() } catch { throw .misconfigured(.fulcio, detail: "\(error)") }
            }
            let source = token.source(audience: audience, http: http)
            let window = CertificateWindow(
                authority: authority,
                source: dependencies.map { GatedTokenSource(source, gate: $0.gate(.identity, name)) } ?? source,
                audience: audience,
                issuer: identity.issuer,
                limits: CertificateWindow.Limits(
                    maxAge: window.maxAge, margin: window.margin, maxSignatures: window.maxSignatures))
            self.init(
                name: name,
                means: .keyless(
                    window,
                    ExpectedIdentity(
                        subjectAlternativeName: identity.subjectAlternativeName, issuer: identity.issuer)))
        }
    }
}
