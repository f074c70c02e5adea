package import Curl
import Sigstore

extension Signers {
    /// The signers of the configuration: every identity with its own certificate window, over the services of the moment.
    ///
    /// With `records` what the logs say is remembered, and an alarm stops signing in one.
    package init(
        _ configuration: SigstoreConfiguration, trust: TrustKeeper, http: HTTPClient, records: LogRecords? = nil
    ) throws {
        let clients = ServiceClients(trust) { SigningServices($0, trust: trust, http: http, records: records) }
        self.init(
            identities: try configuration.allIdentities.map {
                try SigningIdentity($0.identity, name: $0.name, configuration.window, trust: trust, http: http)
            },
            trust: trust, services: { try clients.current() })
        _ = try clients.current()
    }
}

extension SigningServices {
    fileprivate init(
        _ services: InstanceServices, trust: TrustKeeper, http: HTTPClient, records: LogRecords?
    ) {
        self.init(
            logs: services.logs.map { Log(name: $0.name, client: $0.client(trust, http: http, records: records)) },
            timestamps: services.timestampAuthorities.first.map {
                TimestampClient(url: $0.url, http: http, route: $0.route)
            })
    }
}

extension SigningIdentity {
    fileprivate init(
        _ identity: IdentityConfiguration, name: String, _ window: WindowConfiguration, trust: TrustKeeper,
        http: HTTPClient
    ) throws {
        switch identity.proof {
        case .key(let key): self.init(name: name, means: .key(try ManagedKey(key)))
        case .token(let token):
            let audience = identity.audience
            let authorities = ServiceClients(trust) { services throws(TrustError) in
                guard let fulcio = services.fulcio else { throw .noService("no certificate authority is named") }
                return FulcioClient(url: fulcio.url, http: http, route: fulcio.route, audience: audience)
            }
            let authority: CertificateWindow.Authority = { () throws(SigstoreError) in
                do { return try authorities.current() } catch { throw .misconfigured(.fulcio, detail: "\(error)") }
            }
            let window = CertificateWindow(
                authority: authority, source: token.source(audience: audience, http: http), audience: audience,
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
