public import Curl

/// A JWT-SVID of the workload, from the SPIFFE Workload API over its Unix socket (SPIFFE, "Workload API" §6:
/// `FetchJWTSVID`). The agent knows the workload by its process, not by anything it says.
public struct SPIFFETokenSource: IdentityTokenSource {
    private let socket: String?
    private let id: String?
    private let audience: String
    private let environment: EnvironmentReader
    private let http: HTTPClient
    private let route: HTTPRoute

    /// A source at `socket`, a path or `unix:///path`; nil: what `SPIFFE_ENDPOINT_SOCKET` says.
    /// - Parameter id: which of several identities of the workload; nil: the agent's first.
    public init(
        socket: String? = nil, id: String? = nil, audience: String, http: HTTPClient, route: HTTPRoute = .init(),
        environment: EnvironmentReader = .process
    ) {
        self.socket = socket
        self.id = id
        self.audience = audience
        self.environment = environment
        self.http = http
        var route = route
        route.assumesHTTP2 = true
        route.allowPlainHTTP = true
        route.maxResponseBytes = min(route.maxResponseBytes, TokenService.maxAnswerBytes)
        self.route = route
    }

    public var description: String { "SPIFFE Workload API\(socket.map { " at \($0)" } ?? "")" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        var route = route
        route.unixSocket = try path()
        var request = ProtobufMessage()
        request.append(1, audience)
        if let id { request.append(2, id) }
        let answer: [UInt8]
        do {
            // the header keeps a request that was forged through somebody's server from reaching the agent (§5.1)
            answer = try await UnaryCall(http: http, route: route).call(
                "http://localhost", "/SpiffeWorkloadAPI/FetchJWTSVID", request.encoded,
                metadata: [("workload.spiffe.io", "true")])
        } catch {
            throw failure(error)
        }
        do throws(ProtobufMessage.Malformed) {
            for content in try ProtobufMessage(parsing: answer).all(1) {
                let identity = try ProtobufMessage(parsing: content)
                if let id, try identity.text(1) != id { continue }
                return try token(try identity.text(2))
            }
        } catch {
            throw bad("an answer that is no protobuf message: \(error.reason)")
        }
        throw bad(id.map { "no identity \($0) among its answer" } ?? "an answer without an identity")
    }

    /// A Unix socket only: over TCP anybody could answer.
    private func path() throws(SigstoreError) -> String {
        let address: String
        if let socket {
            address = socket
        } else {
            address = try environment.required(
                "SPIFFE_ENDPOINT_SOCKET", for: description, setBy: "whoever mounts the agent's socket")
        }
        let path = address.hasPrefix("unix:") ? String(address.dropFirst(5)) : address
        // unix:///path and unix:/path name the same
        let plain = path.hasPrefix("//") ? String(path.dropFirst(2)) : path
        guard plain.hasPrefix("/") else {
            throw .misconfigured(.identity, detail: "\(description): \(address) is not the path of a Unix socket")
        }
        return plain
    }

    private func token(_ text: String) throws(ProtobufMessage.Malformed) -> IdentityToken {
        do throws(SigstoreError) { return try IdentityToken(text) } catch {
            throw ProtobufMessage.Malformed(reason: error.observed)
        }
    }

    private func bad(_ detail: String) -> SigstoreError {
        .badAnswer(.identity, detail: "\(description): \(detail)", answerMayBeLost: false)
    }

    private func failure(_ failure: UnaryCall.Failure) -> SigstoreError {
        switch failure {
        case .transport(.cancelled): .cancelled(.identity, answerMayBeLost: false)
        case .transport(.bodyTooLarge(_, let limit)): bad("an answer of more than \(limit) bytes")
        case .transport(let error):
            .unavailable(.identity, detail: "\(description): \(error)", retryAfter: nil, answerMayBeLost: false)
        case .malformed(let detail): bad(detail)
        // deadline exceeded, resource exhausted, aborted, internal, unavailable
        case .status(let code, let words) where [4, 8, 10, 13, 14].contains(code):
            .unavailable(
                .identity, detail: "\(description): gRPC status \(code): \(scrubbed(words))", retryAfter: nil,
                answerMayBeLost: false)
        case .status(let code, let words):
            .refused(
                .identity, status: code,
                message: "\(description): gRPC status \(code)\(code == 7 ? " (no identity for this workload)" : ""): "
                    + scrubbed(words))
        }
    }
}
