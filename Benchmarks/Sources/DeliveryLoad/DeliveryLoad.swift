import Curl
import FoundationEssentials
import OpenSSL

/// How fast a webhook is answered: push notifications of distinct digests, each stored before it is acknowledged.
///
///     DeliveryLoad URL AUTHORIZATION-FILE REGISTRY REPOSITORY DELIVERIES CONNECTIONS
///
/// The digests exist in no registry. Whoever measures sees to it that nobody works on them meanwhile.
@main enum DeliveryLoad {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 6, let deliveries = Int(arguments[4]), let connections = Int(arguments[5]) else {
            throw Misuse()
        }
        let authorization = try String(contentsOfFile: arguments[1], encoding: .utf8)
        let load = Load(
            url: arguments[0], authorization: String(authorization.prefix { !$0.isNewline }), registry: arguments[2],
            repository: arguments[3], connections: connections)
        try await load.run(deliveries)
    }

    struct Misuse: Error {}
}

/// Deliveries of one event each, as a busy distribution registry sends them.
struct Load: Sendable {
    let url: String
    let authorization: String
    let registry: String
    let repository: String
    let connections: Int

    private let route: HTTPRoute = {
        var route = HTTPRoute()
        route.allowPlainHTTP = true
        route.addresses = .privateAllowed
        route.proxy = .none
        return route
    }()

    init(url: String, authorization: String, registry: String, repository: String, connections: Int) {
        self.url = url
        self.authorization = authorization
        self.registry = registry
        self.repository = repository
        self.connections = connections
    }

    /// Sends them over as many connections, each waiting for its answer, and prints rate and answer times.
    func run(_ deliveries: Int) async throws {
        var configuration = HTTPClient.Configuration()
        configuration.maxConnectionsPerHost = connections
        let http = HTTPClient(configuration)
        defer { http.shutdown() }
        let seed = Hex.encode(SecureRandom.bytes(8))
        let clock = ContinuousClock()
        let began = clock.now
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for lane in 0..<connections {
                group.addTask {
                    var times: [Double] = []
                    for number in stride(from: lane, to: deliveries, by: connections) {
                        let sent = clock.now
                        let answer = try await http.send(request("\(seed)-\(number)"))
                        guard answer.status == 202 else { throw Refused(status: answer.status) }
                        times.append((clock.now - sent) / .milliseconds(1))
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted()
        }
        let seconds = (clock.now - began) / .seconds(1)
        func percentile(_ share: Double) -> String {
            tenths(times[min(times.count - 1, Int(Double(times.count) * share))])
        }
        print(
            "accepted \(times.count) deliveries over \(connections) connections in \(tenths(seconds)) s:",
            "\(Int(Double(times.count) / seconds)) a second; answered in ms:",
            "p50 \(percentile(0.5))  p99 \(percentile(0.99))  max \(percentile(1))")
    }

    struct Refused: Error { let status: Int }

    private func request(_ seed: String) -> HTTPRequest {
        let digest = "sha256:" + Hex.encode(Hash.sha256(Array(seed.utf8)))
        let body = """
            {"events":[{"id":"\(seed)","timestamp":"2026-01-01T00:00:00Z","action":"push","target":{"mediaType":\
            "application/vnd.oci.image.manifest.v1+json","size":1024,"digest":"\(digest)","length":1024,"repository":\
            "\(repository)","url":"http://\(registry)/v2/\(repository)/manifests/\(digest)","tag":"\(seed)"},"request":\
            {"id":"\(seed)","addr":"192.0.2.7:50412","host":"\(registry)","method":"PUT","useragent":"docker/27.3.1"},\
            "actor":{},"source":{"addr":"registry:5000","instanceID":"bench"}}]}
            """
        return HTTPRequest(
            .post, url,
            headers: [
                "Authorization": authorization,
                "Content-Type": "application/vnd.docker.distribution.events.v1+json",
            ], body: Array(body.utf8), route: route)
    }

    private func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
