package import Curl
package import Sigstore

extension Signers {
    /// The signers of the configuration: identities, each with its own certificate window, logs and timestamp authority.
    package init(_ configuration: SigstoreConfiguration, trust: TrustKeeper, http: HTTPClient) throws {
        self.init(
            identities: [try SigningIdentity(configuration.identity, name: "default", configuration, http: http)],
            services: SigningServices(
                logs: [
                    .init(
                        name: "rekor",
                        client: RekorV1(
                            url: configuration.rekor.url, http: http, route: configuration.rekor.route))
                ],
                timestamps: TimestampClient(
                    url: configuration.timestampAuthority.url, http: http,
                    route: configuration.timestampAuthority.route)),
            trust: trust)
    }
}

extension SigningIdentity {
    fileprivate init(
        _ identity: IdentityConfiguration, name: String, _ sigstore: SigstoreConfiguration, http: HTTPClient
    ) throws {
        guard let token = identity.token else { throw SigstoreError.unsupported("a key in place of identity tokens") }
        let fulcio = FulcioClient(
            url: sigstore.fulcio.url, http: http, route: sigstore.fulcio.route, audience: identity.audience)
        let limits = CertificateWindow.Limits(
            maxAge: sigstore.window.maxAge, margin: sigstore.window.margin,
            maxSignatures: sigstore.window.maxSignatures)
        let window = CertificateWindow(
            fulcio: fulcio, source: token.source(audience: identity.audience, http: http), audience: identity.audience,
            limits: limits)
        self.init(
            name: name,
            means: .keyless(
                window,
                ExpectedIdentity(
                    subjectAlternativeName: identity.subjectAlternativeName, issuer: identity.issuer)))
    }
}
