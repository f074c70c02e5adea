import Curl
import OpenSSL
import StrictJSON

/// A service that hands out tokens over HTTP: how it is asked, and how its refusals are told without repeating a secret.
struct TokenService: Sendable {
    /// How messages call it.
    let name: String
    let http: HTTPClient
    private let route: HTTPRoute
    /// What no message may repeat, besides what stands in the credential headers of the request.
    private let secrets: [String]

    /// The largest answer read; tokens have a few kilobytes.
    static let maxAnswerBytes = 256 << 10

    init(_ name: String, http: HTTPClient, route: HTTPRoute, secrets: [String] = []) {
        self.name = name
        self.secrets = secrets
        self.http = http
        var route = route
        route.maxResponseBytes = min(route.maxResponseBytes, Self.maxAnswerBytes)
        // a token service that redirects would send our credentials on
        route.redirects = .refuse
        self.route = route
    }

    func get(_ url: String, headers: HTTPHeaders) async throws(SigstoreError) -> HTTPResponse {
        try await send(HTTPRequest(.get, url, headers: headers, route: route))
    }

    func put(_ url: String, headers: HTTPHeaders) async throws(SigstoreError) -> HTTPResponse {
        try await send(HTTPRequest(.put, url, headers: headers, body: [], route: route))
    }

    func post(_ url: String, _ body: JSONValue, headers: HTTPHeaders) async throws(SigstoreError) -> HTTPResponse {
        var headers = headers
        headers["Content-Type"] = "application/json"
        headers["Accept"] = "application/json"
        return try await send(HTTPRequest(.post, url, headers: headers, body: body.encoded(), route: route))
    }

    func post(_ url: String, form: [(String, String)], headers: HTTPHeaders = [:]) async throws(SigstoreError)
        -> HTTPResponse
    {
        var headers = headers
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        if headers["Accept"] == nil { headers["Accept"] = "application/json" }
        return try await send(
            HTTPRequest(.post, url, headers: headers, body: Array(Self.encode(form).utf8), route: route))
    }

    func post(_ url: String, bytes: [UInt8], headers: HTTPHeaders) async throws(SigstoreError) -> HTTPResponse {
        try await send(HTTPRequest(.post, url, headers: headers, body: bytes, route: route))
    }

    /// `application/x-www-form-urlencoded`, with everything escaped that RFC 3986 does not leave unreserved.
    static func encode(_ form: [(String, String)]) -> String {
        form.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&")
    }

    static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default: escaped += "%" + Hex.encode([byte]).uppercased()
            }
        }
        return escaped
    }

    /// `url` with one more query parameter.
    static func adding(_ name: String, _ value: String, to url: String) -> String {
        url + (url.contains("?") ? "&" : "?") + encode([(name, value)])
    }

    // MARK: Answers

    /// A successful answer as JSON.
    func document(_ response: HTTPResponse) throws(SigstoreError) -> JSONField {
        guard (200..<300).contains(response.status) else { throw failure(response) }
        do throws(SigstoreError) {
            return try JSONField(document: "its answer", parsing: response.body)
        } catch {
            throw bad("not a JSON object")
        }
    }

    /// The text of a member of the answer, as `status.token`; members that are missing, empty or not text are a bad answer.
    func text(_ path: String..., in response: HTTPResponse) throws(SigstoreError) -> String {
        var field = try document(response)
        for name in path {
            guard let next = field.value[name] else { throw bad("no \(path.joined(separator: "."))") }
            field = JSONField(next, path: name)
        }
        guard let text = field.value.text, !text.isEmpty else { throw bad("no text in \(path.joined(separator: "."))") }
        return text
    }

    /// The token in a member of the answer.
    func token(_ text: String) throws(SigstoreError) -> IdentityToken {
        do throws(SigstoreError) {
            return try IdentityToken(text)
        } catch .identity(.malformed(let detail)) {
            throw bad("its token cannot be read: \(detail)")
        }
    }

    func bad(_ detail: String) -> SigstoreError {
        .badAnswer(.identity, detail: "\(name): \(detail)", answerMayBeLost: false)
    }

    /// What a status other than success means.
    func failure(_ response: HTTPResponse) -> SigstoreError {
        let text = "\(name): \(Self.message(response))"
        return switch response.status {
        case 429: .throttled(.identity, status: 429, retryAfter: response.retryAfter, answerMayBeLost: false)
        case 408, 500...:
            .unavailable(
                .identity, detail: "status \(response.status) of \(text)", retryAfter: response.retryAfter,
                answerMayBeLost: false)
        case ..<400: bad("status \(response.status) was not expected here")
        default: .refused(.identity, status: response.status, message: text)
        }
    }

    /// The words of an error answer: `error_description` and `error` of RFC 6749 §5.2, `message` of Kubernetes and
    /// Buildkite, `error.message` of Google, `Message` of AWS; else its text.
    private static func message(_ response: HTTPResponse) -> String {
        if let json = try? JSONValue(parsing: response.body) {
            let words = [
                json["error"]?.text, json["error_description"]?.text, json["error"]?["message"]?.text,
                json["message"]?.text,
            ].compactMap { $0 }
            if !words.isEmpty { return scrubbed(response.withoutSecrets(words.joined(separator: ": "))) }
        }
        let text = String(decoding: response.body.prefix(64 << 10), as: UTF8.self)
        guard let message = XMLText.element("Message", in: text) else {
            return scrubbed(response.withoutSecrets(text))
        }
        let words = [XMLText.element("Code", in: text), message].compactMap { $0 }.joined(separator: ": ")
        return scrubbed(response.withoutSecrets(words))
    }

    private func send(_ request: HTTPRequest) async throws(SigstoreError) -> HTTPResponse {
        var request = request
        request.secrets = secrets
        do throws(HTTPError) {
            return try await http.send(request)
        } catch {
            let detail = "\(name): \(error)"
            switch error {
            case .cancelled: throw .cancelled(.identity, answerMayBeLost: false)
            case .invalidRequest, .plainHTTPRefused, .addressDenied, .untrusted, .redirectRefused:
                throw .misconfigured(.identity, detail: detail)
            case .bodyTooLarge, .headersTooLarge: throw .badAnswer(.identity, detail: detail, answerMayBeLost: false)
            default: throw .unavailable(.identity, detail: detail, retryAfter: nil, answerMayBeLost: false)
            }
        }
    }
}
