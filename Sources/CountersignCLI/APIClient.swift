import Countersign
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
            return try JSONDecoder.service.decode(Answer.self, from: Data(response.body))
        } catch {
            throw CommandFailure(
                code: "cli.answer", observed: "the daemon's answer was not understood: \(error)",
                fix: "Use a client of the daemon's version.")
        }
    }
}

/// What an answer that is none means for whoever asked.
extension APIClient {
    /// RFC 9457; a daemon of an older version says no `fix`.
    private struct Problem: Decodable {
        let code: String?
        let title: String?
        let detail: String?
        let fix: String?
    }

    /// Only a problem document of the API is its word: whoever else answers, a registry, a proxy, another listener of the
    /// daemon, knows nothing of what was asked.
    private static func failure(_ response: HTTPResponse) -> CommandFailure {
        let isDocument = response.headers["Content-Type"]?.hasPrefix("application/problem+json") == true
        let problem = isDocument ? try? JSONDecoder().decode(Problem.self, from: Data(response.body)) : nil
        // without a daemon behind it a proxy answers 404 as well: our own has a code
        let isPassing =
            response.status == 429 || response.status >= 500 || (response.status == 404 && problem?.code == nil)
        let words = [problem?.title, problem?.detail].compactMap { $0 }.joined(separator: ": ")
        guard let problem, let code = problem.code, code != "http.not_found" else {
            return CommandFailure(
                code: problem?.code ?? "api.status_\(response.status)",
                observed: words.isEmpty ? "the daemon answered \(response.status)" : words,
                fix: "Is --api the API's listener?", isPassing: isPassing)
        }
        return CommandFailure(
            code: code, observed: words, fix: problem.fix, status: exitStatus(response.status, code),
            isPassing: isPassing)
    }

    /// What the daemon refuses because of who asks leaves the question open: it says nothing of what was asked about.
    private static func exitStatus(_ status: Int, _ code: String) -> Int32 {
        switch status {
        // it did not arrive as it was sent
        case 400 where ["api.interrupted", "attestation.digest_mismatch"].contains(code): 3
        // not of who asks: of what was asked for
        case 403 where code == "policy.refused": 1
        case 400, 413: 2
        case 404, 409, 410, 422: 1
        default: 3
        }
    }
}
