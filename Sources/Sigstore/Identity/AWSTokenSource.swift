public import Curl
public import FoundationEssentials

/// A token of AWS's own issuer for the role that the workload runs as: STS `GetWebIdentityToken` (API version 2011-06-15),
/// which only regional endpoints offer, and only to accounts that have outbound identity federation enabled.
public struct AWSTokenSource: IdentityTokenSource {
    /// Where and how the token is asked for.
    public struct Request: Sendable, Equatable {
        /// Region of the endpoint; nil: `AWS_REGION`, else `AWS_DEFAULT_REGION`.
        public var region: String?
        /// `RS256` or `ES384`: what Fulcio can check, which is RS256 by OpenID Connect's rules.
        public var algorithm = "RS256"
        /// The token's life, 60 s to 1 h.
        public var life: Duration = .seconds(300)
        /// Another endpoint than `https://sts.{region}.amazonaws.com`: a private one, or China's.
        public var endpoint: String?

        /// The environment's region.
        public init() {}
    }

    private let request: Request
    private let audience: String
    private let environment: EnvironmentReader
    private let http: HTTPClient
    private let route: HTTPRoute
    private let instanceMetadata: String?
    private let now: @Sendable () -> Date

    /// A source for tokens with that audience.
    public init(
        _ request: Request = .init(), audience: String, http: HTTPClient, route: HTTPRoute = .init(),
        environment: EnvironmentReader = .process, now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.init(
            request, audience: audience, http: http, route: route, environment: environment, instanceMetadata: nil,
            now: now)
    }

    init(
        _ request: Request, audience: String, http: HTTPClient, route: HTTPRoute, environment: EnvironmentReader,
        instanceMetadata: String?, now: @escaping @Sendable () -> Date
    ) {
        self.request = request
        self.audience = audience
        self.environment = environment
        self.http = http
        self.route = route
        self.instanceMetadata = instanceMetadata
        self.now = now
    }

    public var description: String { "AWS STS GetWebIdentityToken" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        guard let region = request.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] else {
            throw .identity(
                .missing(source: description, detail: "no region: configure it, or set AWS_REGION"))
        }
        let endpoint = request.endpoint ?? "https://sts.\(region).amazonaws.com"
        var chain = AWSCredentialChain(
            region: region, sts: endpoint, environment: environment, http: http, route: route)
        if let instanceMetadata { chain.instanceMetadata = instanceMetadata }
        let body = Array(
            TokenService.encode([
                ("Action", "GetWebIdentityToken"), ("Version", "2011-06-15"), ("Audience.member.1", audience),
                ("SigningAlgorithm", request.algorithm),
                ("DurationSeconds", String(request.life.components.seconds)),
            ]).utf8)
        let type = "application/x-www-form-urlencoded; charset=utf-8"
        let signature = AWSSignature(credentials: try await chain.credentials(), region: region, service: "sts")
        let service = TokenService("AWS STS", http: http, route: route)
        let fields = signature.fields(
            method: "POST", path: "/", headers: [("content-type", type), ("host", try host(of: endpoint))], body: body,
            at: now())
        let response = try await service.post(
            endpoint, bytes: body, headers: HTTPHeaders([("content-type", type), ("accept", "text/xml")] + fields))
        guard response.status == 200 else { throw service.failure(response) }
        guard let token = XMLText.element("WebIdentityToken", in: String(decoding: response.body, as: UTF8.self)) else {
            throw service.bad("no WebIdentityToken in the answer")
        }
        return try service.token(token)
    }

    /// The `Host` field as it will be sent: it is signed.
    private func host(of endpoint: String) throws(SigstoreError) -> String {
        guard let start = endpoint.firstRange(of: "://") else {
            throw .misconfigured(.identity, detail: "the endpoint \(endpoint) of STS is not a URL")
        }
        let authority = endpoint[start.upperBound...]
        guard let slash = authority.firstIndex(of: "/") else { return String(authority) }
        guard authority[slash...] == "/" else {
            throw .misconfigured(.identity, detail: "the endpoint \(endpoint) of STS has a path")
        }
        return String(authority[..<slash])
    }
}
