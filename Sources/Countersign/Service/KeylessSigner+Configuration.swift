package import Curl
import Sigstore

extension KeylessSigner {
    /// The signer of the configuration: token source, Fulcio behind one window, timestamp authority, log, verifier.
    package init(_ configuration: SigstoreConfiguration, trust: TrustKeeper, http: HTTPClient) throws {
        let identity = configuration.identity
        guard let token = identity.token else { throw SigstoreError.unsupported("a key in place of identity tokens") }
        let services = try trust.services()
        guard let authority = services.fulcio, let timestamps = services.timestampAuthorities.first,
            let log = services.logs.first
        else { throw TrustError.noService("a certificate authority, a timestamp authority and a log are needed") }
        let fulcio = FulcioClient(
            url: authority.url, http: http, route: authority.route, audience: identity.audience)
        let limits = CertificateWindow.Limits(
            maxAge: configuration.window.maxAge, margin: configuration.window.margin,
            maxSignatures: configuration.window.maxSignatures)
        self.init(
            window: CertificateWindow(
                fulcio: fulcio, source: token.source(audience: identity.audience, http: http),
                audience: identity.audience, issuer: identity.issuer, limits: limits),
            timestamps: TimestampClient(
                url: timestamps.url, http: http, route: timestamps.route),
            log: log.client(trust, http: http),
            trust: trust,
            identity: ExpectedIdentity(
                subjectAlternativeName: identity.subjectAlternativeName, issuer: identity.issuer))
    }
}

extension InstanceServices.Log {
    /// A client of this log, for the API that it speaks.
    func client(_ trust: TrustKeeper, http: HTTPClient) -> any TransparencyLog {
        guard version == 2 else { return RekorV1(url: upstream.url, http: http, route: upstream.route) }
        return RekorV2(
            url: upstream.url, tilesURL: tilesURL,
            verifier: CheckpointVerifier(logs: { trust.current.trustedRoot.tlogs }), http: http, route: upstream.route)
    }
}
