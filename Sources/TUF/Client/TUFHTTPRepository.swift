public import Curl

/// A TUF repository over HTTP.
public struct TUFHTTPRepository: TUFRepository {
    private let metadataURL: String
    private let targetsURL: String
    private let http: HTTPClient
    private let route: HTTPRoute

    /// - Parameters:
    ///   - metadataURL: folder of `timestamp.json`.
    ///   - targetsURL: folder of the targets.
    ///   - route: how both are reached; redirects are followed whatever it says.
    public init(metadataURL: String, targetsURL: String, http: HTTPClient, route: HTTPRoute = .init()) {
        func folder(_ url: String) -> String { url.hasSuffix("/") ? url : url + "/" }
        self.metadataURL = folder(metadataURL)
        self.targetsURL = folder(targetsURL)
        self.http = http
        var route = route
        // mirrors redirect; whatever comes back has to verify
        route.redirects = .follow(limit: 3)
        self.route = route
    }

    public func metadata(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        try await fetch(metadataURL + name, name: name, atMost: limit)
    }

    public func target(_ path: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        try await fetch(targetsURL + path, name: path, atMost: limit)
    }

    private func fetch(_ url: String, name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        var route = route
        // an error page may be longer than the file, and is not read to its end anyway
        route.maxResponseBytes = max(limit, 4096)
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await http.send(HTTPRequest(.get, url, route: route))
        } catch {
            if case .bodyTooLarge = error { throw .tooLong(file: name, limit: limit) }
            throw .unreachable(file: name, "\(error)", isTransient: error.isTransient)
        }
        switch response.status {
        case 200: break
        // object stores answer 403 for what they do not have
        case 404, 403: return nil
        default:
            throw .unreachable(
                file: name, "status \(response.status)", isTransient: response.status >= 500 || response.status == 429)
        }
        guard response.body.count <= limit else { throw .tooLong(file: name, limit: limit) }
        return response.body
    }
}
