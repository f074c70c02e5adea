import Curl
import Foundation
import OCI
import Support

/// A `docker-registry` process with its own folder and port. It ends with its owner: it watches a pipe of this process.
final class RealRegistry: Sendable {
    static let program = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    private let folder: TemporaryDirectory
    private let port: Int
    private let lifeline = Pipe()
    private let ended: AsyncStream<Void>

    /// - Parameter htpasswd: a line `user:bcrypt`; without it the registry is open.
    init(htpasswd: String? = nil) async throws {
        folder = try TemporaryDirectory()
        port = try freePort()
        var config = """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: "\(folder.path)/data"}, delete: {enabled: true}}
            http: {addr: "127.0.0.1:\(port)"}

            """
        if let htpasswd {
            let path = try folder.write(htpasswd + "\n", to: "htpasswd")
            config += "auth: {htpasswd: {realm: test, path: \"\(path)\"}}\n"
        }
        let path = try folder.write(config, to: "config.yml")
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [
            "-c", #""$0" serve "$1" </dev/null >"$1.log" 2>&1 & read -r _; kill -9 $!"#, Self.program ?? "", path,
        ]
        process.standardInput = lifeline
        let (ended, continuation) = AsyncStream<Void>.makeStream()
        self.ended = ended
        process.terminationHandler = { _ in continuation.finish() }
        try process.run()
        let client = try client()
        try await eventually("the registry answers") {
            do { try await client.ping() } catch let error as OCIError { return error.status == 401 }
            return true
        }
    }

    /// Ends the process.
    func stop() async {
        try? lifeline.fileHandleForWriting.close()
        for await _ in ended {}
    }

    func client(credentials: Credentials = .anonymous) throws -> RegistryClient {
        var route = HTTPRoute()
        route.addresses = .privateAllowed
        route.allowPlainHTTP = true
        route.proxy = .none
        return RegistryClient(
            try RegistryEndpoint(
                name: "registry.test", url: "http://127.0.0.1:\(port)", route: route, credentials: credentials),
            http: HTTPClient())
    }
}
