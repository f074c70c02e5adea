public import Curl
internal import FailPoints

/// A client of one registry, speaking the OCI distribution specification 1.1.
///
/// Nothing is retried here beyond one fresh authorisation after a 401: whoever calls has a queue and knows how long to
/// wait. Every answer is bounded, every content is hashed, and "failed" never turns into "empty".
public final class RegistryClient: Sendable {
    /// The registry spoken to.
    public let endpoint: RegistryEndpoint
    private let http: HTTPClient
    private let authorizer: Authorizer
    private let counts: RequestCounts
    /// What has been learned about the registry; see ``RegistryMemory``.
    let memory: RegistryMemory

    /// A client over a shared `http`.
    /// - Parameter referrersMemory: how long "this registry has no referrers API" is believed.
    public convenience init(_ endpoint: RegistryEndpoint, http: HTTPClient, referrersMemory: Duration = .seconds(600)) {
        self.init(endpoint, http: http, referrersMemory: referrersMemory, now: { .now })
    }

    init(
        _ endpoint: RegistryEndpoint, http: HTTPClient, referrersMemory: Duration,
        now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        let counts = RequestCounts()
        self.endpoint = endpoint
        self.http = http
        self.counts = counts
        self.memory = RegistryMemory(absenceLifetime: referrersMemory, now: now)
        self.authorizer = Authorizer(endpoint, now: now) { realm, scope throws(OCIError) in
            counts.count(.token)
            return try await AccessToken.fetch(
                from: realm, scope: scope, as: try await endpoint.credentials.current(), at: now(), http: http)
        }
    }

    /// How many requests of each kind this client has sent, repetitions after a 401 included.
    public var requestCounts: [RequestKind: Int] { counts.snapshot }

    /// The total of ``requestCounts``.
    public var requestCount: Int { requestCounts.values.reduce(0, +) }

    /// Asks `GET /v2/`: the registry is there and accepts our credentials (specification, "Determining Support").
    public func ping() async throws(OCIError) {
        _ = try await send(RegistryRequest(.ping, .get, path: "/v2/", scope: nil), accepting: [200])
    }

    /// Sends one request, answering one challenge, and refuses every status that is not in `accepting`.
    func send(_ request: RegistryRequest, accepting: Set<Int>) async throws(OCIError) -> HTTPResponse {
        guard let url = request.url ?? endpoint.url(request.path) else {
            throw .referenceMalformed(request.path, "not a path of the registry API")
        }
        try request.kind.failPoint?.before(request.injected)
        // A foreign origin (an upload location) sees no credentials, and is dialled only at a public address.
        let isOwn = url.origin == endpoint.base.origin
        let field: String? = if isOwn { try await authorizer.field(for: request.scope) } else { nil }
        var response = try await transfer(request, to: url, isOwn: isOwn, authorization: field)
        // who answers after a redirect elsewhere does not decide what the registry is shown
        if response.status == 401, isOwn, response.redirectedTo == nil {
            let challenges = response.headers.values(of: "WWW-Authenticate")
            let fresh = try await authorizer.field(answering: challenges, for: request.scope, rejected: field)
            if let fresh { response = try await transfer(request, to: url, isOwn: isOwn, authorization: fresh) }
        }
        guard accepting.contains(response.status) else {
            throw RegistryAnswer(request.operation, response).error
        }
        if let coding = response.headers["Content-Encoding"], coding.lowercased() != "identity" {
            throw .unexpectedAnswer(
                RegistryAnswer(
                    operation: request.operation, status: response.status, codes: [], message: "", retryAfter: nil,
                    redirectedTo: response.redirectedTo),
                "content coding \(coding), which was not asked for")
        }
        try request.kind.failPoint?.after(request.injected)
        return response
    }

    private func transfer(
        _ request: RegistryRequest, to url: RemoteURL, isOwn: Bool, authorization: String?
    ) async throws(OCIError) -> HTTPResponse {
        var route = endpoint.route
        route.redirects = request.followsRedirects ? .follow(limit: 3) : .refuse
        route.maxResponseBytes = request.responseLimit
        if !isOwn {
            route.addresses = .publicOnly
            route.allowPlainHTTP = false
        }
        var headers = request.headers
        if let authorization { headers["Authorization"] = authorization }
        counts.count(request.kind)
        do {
            return try await http.send(
                HTTPRequest(request.method, "\(url)", headers: headers, body: request.body, route: route))
        } catch {
            if case .bodyTooLarge(_, let limit) = error {
                throw .tooLarge(what: "answer to \(request.operation)", limit: limit, unit: "bytes")
            }
            throw .transport(operation: request.operation, error)
        }
    }
}
