internal import Curl
internal import Synchronization

/// The kinds of requests, for counting what a signature costs a registry.
public enum RequestKind: String, Sendable, CaseIterable {
    case ping
    case token
    case manifestGet
    case manifestPut
    /// With a credential of its own: ``ManifestDeletion``.
    case manifestDelete
    /// Reads and writes of a referrers fallback tag.
    case fallbackGet
    case fallbackPut
    /// Reads and writes of cosign's legacy tags.
    case legacyGet
    case legacyPut
    case blobGet
    case uploadStart
    case uploadPut
    /// The end of a probe of the right to push.
    case uploadCancel
    case referrersGet
    case tagsGet
    /// Where a tag points, without the manifest.
    case tagHead
    case catalogGet
}

/// One request to the registry API.
struct RegistryRequest: Sendable {
    let kind: RequestKind
    let method: HTTPRequest.Method
    /// Begins with `/v2/`.
    let path: String
    /// An address the registry gave (upload location, next page) instead of the path.
    let url: RemoteURL?
    let scope: TokenScope?
    let headers: HTTPHeaders
    let body: [UInt8]?
    /// Bytes of the answer's body.
    let responseLimit: Int
    /// Only blob reads: registries hand them to object stores.
    let followsRedirects: Bool

    init(
        _ kind: RequestKind, _ method: HTTPRequest.Method, path: String, url: RemoteURL? = nil, scope: TokenScope?,
        headers: HTTPHeaders = [:], body: [UInt8]? = nil, responseLimit: Int = 256 << 10, followsRedirects: Bool = false
    ) {
        self.kind = kind
        self.method = method
        self.path = path
        self.url = url
        self.scope = scope
        self.headers = headers
        self.body = body
        self.responseLimit = responseLimit
        self.followsRedirects = followsRedirects
    }

    /// For errors: method and path, without the query (upload locations carry state there).
    var operation: String { "\(method.rawValue) \(path)" }
}

/// Counters shared by a client and its token calls.
final class RequestCounts: Sendable {
    private let counts = Mutex<[RequestKind: Int]>([:])

    func count(_ kind: RequestKind) {
        counts.withLock { $0[kind, default: 0] += 1 }
    }

    var snapshot: [RequestKind: Int] { counts.withLock { $0 } }
}
