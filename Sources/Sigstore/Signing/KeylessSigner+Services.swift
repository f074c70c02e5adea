public import Curl
public import FoundationEssentials

extension KeylessSigner {
    /// Whom a signature is asked of.
    public struct Services: Sendable {
        /// Who certifies the signer.
        public let fulcio: FulcioClient
        /// Who says when it was signed; each gives a timestamp. May be empty if a log dates its entries.
        public let timestampAuthorities: [TimestampClient]
        /// Where it is entered; each gets an entry.
        public let logs: [any TransparencyLog]

        /// These services.
        public init(
            fulcio: FulcioClient, timestampAuthorities: [TimestampClient] = [], logs: [any TransparencyLog]
        ) {
            self.fulcio = fulcio
            self.timestampAuthorities = timestampAuthorities
            self.logs = logs
        }

        /// The services that a signing configuration names for that moment, as many of each kind as it says. They have an end:
        /// whoever signs for days makes new ones from the configuration of then.
        /// - Parameters:
        ///   - root: whose logs are believed.
        ///   - audience: that Fulcio wants of tokens.
        ///   - route: how the service of that URL is reached.
        /// - Throws: ``SigstoreError/malformed(_:_:)`` if there are too few of a kind.
        public init(
            _ config: SigningConfig, trusting root: TrustedRoot, audience: String = "sigstore", http: HTTPClient,
            route: (_ url: String) -> HTTPRoute = { _ in .init() }, at now: Date = Date()
        ) throws(SigstoreError) {
            let authority = try config.certificateAuthority(at: now).url
            var logs: [any TransparencyLog] = []
            for service in try config.logs(at: now) {
                let api = try RekorAPI(version: service.majorApiVersion)
                var way = route(service.url)
                way.totalTimeout = max(way.totalTimeout, api.shortestTimeout)
                logs.append(
                    api.client(
                        at: .init(url: service.url, route: way), verifier: CheckpointVerifier(logs: { root.tlogs }),
                        http: http))
            }
            self.init(
                fulcio: FulcioClient(url: authority, http: http, route: route(authority), audience: audience),
                timestampAuthorities: try config.authorities(at: now).map {
                    TimestampClient(url: $0.url, http: http, route: route($0.url))
                }, logs: logs)
        }
    }
}
