import Curl
import FoundationEssentials

/// The daemon's REST API, as far as the commands use it.
struct APIClient: Sendable {
    let base: String
    let token: String?
    let caFile: String?

    /// `GET path?query`, decoded; any other status becomes the problem document's own words.
    func get<Answer: Decodable>(_ path: String, query: [(String, String)] = [], timeout: Duration = .seconds(30))
        async throws
        -> Answer
    {
        try await send(.get, path, query: query, body: nil, timeout: timeout)
    }

    func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable, headers: [(String, String)] = []
    ) async throws -> Answer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try await send(
            .post, path, query: [], body: [UInt8](try encoder.encode(body)), timeout: .seconds(30), headers: headers)
    }

    /// `GET path`: the answer's bytes.
    func bytes(_ path: String) async throws -> [UInt8] {
        try await exchange(.get, path, query: [], body: .empty, timeout: .seconds(30)).body
    }

    /// `PUT path?query` of a document.
    func put<Answer: Decodable>(
        _ path: String, query: [(String, String)], _ document: Body, timeout: Duration
    ) async throws -> Answer {
        try Self.decoded(try await exchange(.put, path, query: query, body: document, timeout: timeout))
    }

    /// What is sent.
    enum Body {
        case empty
        case json([UInt8])
        /// A document, whatever it is.
        case bytes([UInt8])
        /// The same, read while it is sent.
        case file(HTTPUpload)
    }

    private func send<Answer: Decodable>(
        _ method: HTTPRequest.Method, _ path: String, query: [(String, String)], body: [UInt8]?, timeout: Duration,
        headers others: [(String, String)] = []
    ) async throws -> Answer {
        let body = body.map(Body.json) ?? .empty
        return try Self.decoded(
            try await exchange(method, path, query: query, body: body, timeout: timeout, headers: others))
    }

    private func exchange(
        _ method: HTTPRequest.Method, _ path: String, query: [(String, String)], body: Body, timeout: Duration,
        headers others: [(String, String)] = []
    ) async throws -> HTTPResponse {
        let http = HTTPClient()
        defer { http.shutdown() }
        var route = HTTPRoute()
        route.totalTimeout = timeout
        route.caFile = caFile
        // the operator names the daemon on the command line: wherever it is, it is meant
        route.addresses = .privateAllowed
        route.allowPlainHTTP = true
        var headers: HTTPHeaders = ["Accept": "application/json"]
        for (name, value) in others { headers[name] = value }
        if let token { headers["Authorization"] = "Bearer \(token)" }
        let pairs = query.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
        let url = base + path + (pairs.isEmpty ? "" : "?" + pairs)
        var request = HTTPRequest(method, url, headers: headers, route: route)
        switch body {
        case .empty: break
        case .json(let bytes):
            request.headers["Content-Type"] = "application/json"
            request.body = bytes
        case .bytes(let bytes): request.body = bytes
        case .file(let file): request.upload = file
        }
        let response: HTTPResponse
        do {
            response = try await http.send(request)
        } catch {
            throw CommandFailure(
                code: error.code, observed: "the daemon at \(base) does not answer: \(error)",
                fix: "Is `countersign serve` running, and is --api its API listener?", isPassing: error.isTransient)
        }
        guard (200..<300).contains(response.status) else { throw Self.failure(response) }
        return response
    }

    private static func decoded<Answer: Decodable>(_ response: HTTPResponse) throws -> Answer {
        do {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Answer.self, from: Data(response.body))
        } catch {
            throw CommandFailure(
                code: "cli.answer", observed: "the daemon's answer was not understood: \(error)",
                fix: "Use a client of the daemon's version.")
        }
    }

    /// RFC 9457 problem document → what was seen and what to do.
    private static func failure(_ response: HTTPResponse) -> CommandFailure {
        struct Problem: Decodable {
            let code: String?
            let title: String?
            let detail: String?
            let fix: String?
        }
        let problem = try? JSONDecoder().decode(Problem.self, from: Data(response.body))
        let words = [problem?.title, problem?.detail].compactMap { $0 }.joined(separator: ": ")
        let fix =
            switch response.status {
            case 401: "Give a token: --token-file FILE. `countersign token create --role viewer` makes one."
            case 403: "The token's role does not allow this."
            default: problem?.fix
            }
        return CommandFailure(
            code: problem?.code ?? "api.status_\(response.status)",
            observed: words.isEmpty ? "the daemon answered \(response.status)" : words, fix: fix,
            status: response.status == 404 ? 1 : 3, isPassing: response.status == 429 || response.status >= 500)
    }
}
