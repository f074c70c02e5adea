import Curl
import FoundationEssentials
import OCI
import Support
import Synchronization

/// A registry in memory that speaks the distribution specification over loopback: referrers API on or off, any
/// authentication, and faults by script. It checks what a registry checks: digests, blobs a manifest names, and, like some,
/// manifests an index lists.
final class FakeRegistry: Sendable {
    enum Authentication: Sendable {
        case none
        case basic(user: String, password: String)
        /// A token server at `realm`, or at this server's own `/token`.
        case bearer(realm: String? = nil, expiresIn: Int = 300)
    }

    struct State: Sendable {
        var blobs: [String: [UInt8]] = [:]
        var manifests: [String: (bytes: [UInt8], type: String)] = [:]
        var referrersAPI = false
        var sendsSubjectField = false
        /// As distribution does: an index that lists a manifest which is not there is refused.
        var checksIndexes = false
        var authentication = Authentication.none
        /// Tokens handed out and still good.
        var tokens: Set<String> = []
        var tokenCount = 0
        var log: [LoopbackHTTP.Request] = []
        /// Looked at first; the first answer that is not nil is given, and the script stays until it is replaced.
        var script: @Sendable (LoopbackHTTP.Request, Int) -> LoopbackHTTP.Answer? = { _, _ in nil }
        /// Called after a manifest was stored, to play another writer.
        var afterPut: @Sendable (inout State, String) -> Void = { _, _ in }
    }

    private let state: SharedState
    private let server: LoopbackHTTP

    private final class SharedState: Sendable {
        let lock = Mutex(State())
    }

    init(_ configure: @Sendable (inout State) -> Void = { _ in }) throws {
        let state = SharedState()
        state.lock.withLock { configure(&$0) }
        self.state = state
        self.server = try LoopbackHTTP { request in state.lock.withLock { Self.answer(request, &$0) } }
    }

    var url: String { "http://127.0.0.1:\(server.port)" }
    var host: String { "127.0.0.1:\(server.port)" }
    var log: [String] { state.lock.withLock { $0.log.map { "\($0.method) \($0.path)" } } }
    var requests: [LoopbackHTTP.Request] { state.lock.withLock { $0.log } }

    func change<R: Sendable>(_ body: @Sendable (inout State) -> R) -> R { state.lock.withLock { body(&$0) } }

    func client(
        credentials: any CredentialSource = Credentials.anonymous, realms: [String]? = nil,
        referrersMemory: Duration = .seconds(600), http: HTTPClient = HTTPClient()
    ) throws -> RegistryClient {
        RegistryClient(try endpoint(credentials, realms), http: http, referrersMemory: referrersMemory)
    }

    func deletion(credentials: Credentials = .anonymous) throws -> ManifestDeletion {
        ManifestDeletion(try endpoint(credentials, nil), http: HTTPClient())
    }

    private func endpoint(_ credentials: any CredentialSource, _ realms: [String]?) throws -> RegistryEndpoint {
        let route = HTTPRoute.toTestServer
        return try RegistryEndpoint(
            name: "registry.test", url: url, route: route, credentials: credentials, allowedTokenRealms: realms)
    }

    // MARK: The protocol

    private static func answer(_ request: LoopbackHTTP.Request, _ state: inout State) -> LoopbackHTTP.Answer {
        let number = state.log.count { $0.method == request.method && $0.path == request.path } + 1
        state.log.append(request)
        if let scripted = state.script(request, number) { return scripted }
        if request.path == "/token" { return token(request, &state) }
        if let refusal = challenge(request, state) { return refusal }
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.first == "v2" else { return .init(status: 404) }
        if parts.count == 1 { return .init() }
        let last = parts[parts.count - 1]
        switch (request.method, parts.count > 2 ? parts[parts.count - 2] : "") {
        case ("GET", "manifests"): return manifest(last, state)
        case ("PUT", "manifests"): return put(last, request, &state)
        case ("GET", "blobs"):
            guard let blob = state.blobs[last] else { return error(404, "BLOB_UNKNOWN") }
            return .init(body: blob)
        case ("POST", "blobs"):
            return .init(status: 202, headers: [("Location", "\(request.path)session?_state=abc")])
        case ("PUT", "uploads"):
            let digest = Digest.sha256(of: request.body).description
            guard request.target.hasSuffix("digest=" + digest.replacing(":", with: "%3A")) else {
                return error(400, "DIGEST_INVALID")
            }
            state.blobs[digest] = request.body
            return .init(status: 201)
        case ("GET", "referrers"): return referrers(last, state)
        default: return error(404, "NAME_UNKNOWN")
        }
    }

    static func error(_ status: Int, _ code: String, _ headers: [(String, String)] = []) -> LoopbackHTTP.Answer {
        .init(
            status: status, headers: headers,
            body: Array(#"{"errors":[{"code":"\#(code)","message":"\#(code.lowercased())"}]}"#.utf8))
    }

    private static func manifest(_ name: String, _ state: State) -> LoopbackHTTP.Answer {
        guard let found = state.manifests[name] else { return error(404, "MANIFEST_UNKNOWN") }
        let digest = Digest.sha256(of: found.bytes).description
        return .init(
            headers: [("Content-Type", found.type), ("Docker-Content-Digest", digest), ("ETag", "\"\(digest)\"")],
            body: found.bytes)
    }

    private static func put(_ name: String, _ request: LoopbackHTTP.Request, _ state: inout State)
        -> LoopbackHTTP.Answer
    {
        let type = request.headers["content-type"] ?? ""
        guard let manifest = try? Manifest(bytes: request.body, mediaType: type) else {
            return error(400, "MANIFEST_INVALID")
        }
        if case .image(let image) = manifest.content,
            ([image.config] + image.layers).contains(where: { state.blobs["\($0.digest)"] == nil })
        {
            return error(400, "MANIFEST_BLOB_UNKNOWN")
        }
        if state.checksIndexes, case .index(let index) = manifest.content,
            index.manifests.contains(where: { state.manifests["\($0.digest)"] == nil })
        {
            return error(400, "MANIFEST_BLOB_UNKNOWN")
        }
        let digest = "\(manifest.descriptor.digest)"
        guard !name.hasPrefix("sha256:") || name == digest else { return error(400, "DIGEST_INVALID") }
        state.manifests[digest] = (request.body, type)
        state.manifests[name] = (request.body, type)
        let afterPut = state.afterPut
        afterPut(&state, name)
        var headers = [("Docker-Content-Digest", digest)]
        if state.sendsSubjectField, let subject = manifest.subject {
            headers.append(("OCI-Subject", "\(subject.digest)"))
        }
        return .init(status: 201, headers: headers)
    }

    private static func referrers(_ subject: String, _ state: State) -> LoopbackHTTP.Answer {
        guard state.referrersAPI else { return .init(status: 404, body: Array("404 page not found\n".utf8)) }
        let referrers = state.manifests.filter { $0.key.hasPrefix("sha256:") }.values.compactMap {
            try? Manifest(bytes: $0.bytes, mediaType: $0.type)
        }.filter { "\($0.subject?.digest.description ?? "")" == subject }
        let entries = referrers.map {
            #"{"mediaType":"\#($0.descriptor.mediaType)","size":\#($0.descriptor.size),"digest":"\#($0.descriptor.digest)"}"#
        }
        return .init(headers: [("Content-Type", MediaType.ociIndex)], body: ManifestTests.index(entries))
    }

    // MARK: Authentication

    private static func challenge(_ request: LoopbackHTTP.Request, _ state: State) -> LoopbackHTTP.Answer? {
        let presented = request.headers["authorization"] ?? ""
        switch state.authentication {
        case .none: return nil
        case .basic(let user, let password):
            guard presented != "Basic " + Data("\(user):\(password)".utf8).base64EncodedString() else { return nil }
            return error(401, "UNAUTHORIZED", [("WWW-Authenticate", #"Basic realm="registry""#)])
        case .bearer(let realm, _):
            guard !state.tokens.contains(presented) else { return nil }
            let url = realm ?? "http://\(request.headers["host"] ?? "")/token"
            return error(
                401, "UNAUTHORIZED",
                [("WWW-Authenticate", #"Bearer realm="\#(url)",service="fake",scope="repository:evil:*""#)])
        }
    }

    private static func token(_ request: LoopbackHTTP.Request, _ state: inout State) -> LoopbackHTTP.Answer {
        state.tokenCount += 1
        let token = "token-\(state.tokenCount)"
        state.tokens.insert("Bearer \(token)")
        var seconds = 300
        if case .bearer(_, let expiresIn) = state.authentication { seconds = expiresIn }
        return .init(body: Array(#"{"token":"\#(token)","expires_in":\#(seconds)}"#.utf8))
    }
}
