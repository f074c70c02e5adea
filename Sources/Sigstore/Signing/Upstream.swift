import Curl
import FoundationEssentials
import StrictJSON

/// One Sigstore service over HTTP: the calls of its API, and its failures as ``SigstoreError``.
struct Upstream: Sendable {
    let service: SigstoreService
    let base: String
    let http: HTTPClient
    let route: HTTPRoute

    init(_ service: SigstoreService, url: String, http: HTTPClient, route: HTTPRoute) {
        self.service = service
        self.http = http
        self.route = route
        // paths are appended with their own slash
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    func get(_ path: String, accept: String = "application/json") async throws(SigstoreError) -> HTTPResponse {
        try await send(HTTPRequest(.get, base + path, headers: ["Accept": accept], route: route))
    }

    /// Posts `body`; `authorization` is the whole header value.
    func post(
        _ path: String, _ body: [UInt8], type: String, accept: String = "application/json", authorization: String? = nil
    ) async throws(SigstoreError) -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": type, "Accept": accept]
        if let authorization { headers["Authorization"] = authorization }
        return try await send(HTTPRequest(.post, base + path, headers: headers, body: body, route: route))
    }

    private func send(_ request: HTTPRequest) async throws(SigstoreError) -> HTTPResponse {
        do throws(HTTPError) {
            return try await http.send(request)
        } catch {
            let lost = request.method == .post && error.answerMayBeLost
            switch error {
            case .cancelled: throw .cancelled(service, answerMayBeLost: lost)
            case .withheld(let refusal): throw .withheld(service, refusal)
            case .invalidRequest, .plainHTTPRefused, .addressDenied, .untrusted, .redirectRefused:
                throw .misconfigured(service, detail: "\(error)")
            default: throw .unavailable(service, detail: "\(error)", retryAfter: nil, answerMayBeLost: lost)
            }
        }
    }

    /// What a status other than the expected ones means.
    ///
    /// Anything above 499 may come from a proxy that gave up waiting, so a POST may have been carried out.
    func failure(_ response: HTTPResponse, posted: Bool = true) -> SigstoreError {
        switch response.status {
        case 429:
            .throttled(service, status: 429, retryAfter: response.retryAfter, answerMayBeLost: false)
        case 503 where response.retryAfter != nil:
            .throttled(service, status: 503, retryAfter: response.retryAfter, answerMayBeLost: posted)
        case 500...:
            .unavailable(
                service, detail: "status \(response.status): \(message(response))", retryAfter: response.retryAfter,
                answerMayBeLost: posted)
        case 408:
            .unavailable(service, detail: "status 408", retryAfter: response.retryAfter, answerMayBeLost: posted)
        case 200..<400:
            .badAnswer(service, detail: "status \(response.status) was not expected here", answerMayBeLost: posted)
        default:
            .refused(service, status: response.status, message: message(response))
        }
    }

    /// The `message` of an error answer (all three services answer `{"code":…,"message":…}`), or its text;
    /// without the token that was sent, which proxies print with the rest of a request.
    func message(_ response: HTTPResponse) -> String {
        if let json = try? JSONValue(parsing: response.body), let text = json["message"]?.text {
            return printable(response.withoutSecrets(text))
        }
        return printable(response.withoutSecrets(String(decoding: response.body.prefix(64 << 10), as: UTF8.self)))
    }
}
