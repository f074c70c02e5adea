import Curl
import FoundationEssentials
import SigstoreLab
import Support

/// A lab in a folder of its own for one test.
struct RunningLab {
    static let route = HTTPRoute.toTestServer

    /// A new empty folder, removed when `body` ends.
    static func withFolder<R: Sendable>(_ body: (String) async throws -> R) async throws -> R {
        let folder = "\(FileManager.default.temporaryDirectory.path)/lab-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(folder)
    }

    static func run<R: Sendable>(
        latency: [LabService: Duration] = [:],
        _ body: @escaping @Sendable (Lab, LabEndpoints, HTTPClient) async throws -> R
    ) async throws -> R {
        try await withFolder { folder in
            try await run(in: folder, latency: latency, body)
        }
    }

    static func run<R: Sendable>(
        in folder: String, latency: [LabService: Duration] = [:],
        _ body: @escaping @Sendable (Lab, LabEndpoints, HTTPClient) async throws -> R
    ) async throws -> R {
        let configuration = LabConfiguration(directory: folder, latency: latency)
        return try await Lab.withRunning(configuration) { lab in
            let client = HTTPClient()
            defer { client.shutdown() }
            return try await body(lab, try await lab.endpoints, client)
        }
    }
}

extension HTTPClient {
    func get(_ url: String) async throws -> HTTPResponse {
        try await send(HTTPRequest(.get, url, route: RunningLab.route))
    }

    func post(_ url: String, _ body: [UInt8], type: String = "application/json", bearer: String? = nil) async throws
        -> HTTPResponse
    {
        var headers: HTTPHeaders = ["Content-Type": type]
        if let bearer { headers["Authorization"] = "Bearer \(bearer)" }
        return try await send(HTTPRequest(.post, url, headers: headers, body: body, route: RunningLab.route))
    }
}
