import Curl
import Sigstore

/// `spiffe: {…}`: the SPIFFE Workload API.
struct SPIFFETokens: TokenSourceKind {
    static let key = "spiffe"
    let socket: String?
    let id: String?
    let timeout: Duration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> SPIFFETokens? {
        token.sectionIfPresent(key) { section in
            var timeout = Duration.seconds(10)
            section.read("timeout", into: &timeout)
            return SPIFFETokens(socket: section.string("socket"), id: section.string("id"), timeout: timeout)
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.positive("\(path).timeout", timeout)
        problems.check(
            socket.map { $0.hasPrefix("/") || $0.hasPrefix("unix:") } ?? true, "\(path).socket",
            "must be the path of a Unix socket")
        problems.check(id?.hasPrefix("spiffe://") ?? true, "\(path).id", "must begin with spiffe://")
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        var route = HTTPRoute()
        route.totalTimeout = timeout
        return SPIFFETokenSource(socket: socket, id: id, audience: audience, http: http, route: route)
    }
}
