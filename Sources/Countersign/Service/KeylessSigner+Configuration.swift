package import Curl
import Sigstore

extension KeylessSigner {
    /// The signer of the configuration: token source, Fulcio behind one window, timestamp authority, log, verifier.
    package init(_ configuration: SigstoreConfiguration, trust: TrustKeeper, http: HTTPClient) throws {
        let identity = configuration.identity
        guard let token = identity.token else { throw SigstoreError.unsupported("a key in place of identity tokens") }
        let fulcio = FulcioClient(
            url: configuration.fulcio.url, http: http, route: configuration.fulcio.route, audience: identity.audience)
        let limits = CertificateWindow.Limits(
            maxAge: configuration.window.maxAge, margin: configuration.window.margin,
            maxSignatures: configuration.window.maxSignatures)
        self.init(
            window: CertificateWindow(
                fulcio: fulcio, source: token.source(audience: identity.audience, http: http),
                audience: identity.audience, limits: limits),
            timestamps: TimestampClient(
                url: configuration.timestampAuthority.url, http: http, route: configuration.timestampAuthority.route),
            log: RekorV1(url: configuration.rekor.url, http: http, route: configuration.rekor.route),
            trust: trust,
            identity: ExpectedIdentity(
                subjectAlternativeName: identity.subjectAlternativeName, issuer: identity.issuer))
    }
}
