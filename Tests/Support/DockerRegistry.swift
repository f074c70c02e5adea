import FoundationEssentials
import Glibc

/// A real `docker-registry` (distribution) on a free loopback port with a folder of its own. It ends with this process,
/// however that ends.
public actor DockerRegistry {
    /// Where Debian's package puts it; nil where it is not installed.
    public static let program = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    public nonisolated let port: Int
    private let folder: TemporaryDirectory
    private let configuration: String
    private var process: ChildProcess?

    /// Starts it, and returns once it listens.
    /// - Parameters:
    ///   - htpasswd: a line `user:bcrypt`; without it the registry is open.
    ///   - deletes: whether it deletes manifests (`storage.delete.enabled`).
    public init(htpasswd: String? = nil, deletes: Bool = true) async throws {
        folder = try TemporaryDirectory()
        port = try freePort()
        var text = """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: "\(folder.path)/data"}, delete: {enabled: \(deletes)}}
            http: {addr: "127.0.0.1:\(port)"}

            """
        if let htpasswd {
            let path = try folder.write(htpasswd + "\n", to: "htpasswd")
            text += "auth: {htpasswd: {realm: test, path: \"\(path)\"}}\n"
        }
        configuration = try folder.write(text, to: "config.yml")
        try await start()
    }

    /// Ends the process at once; what was pushed stays.
    public func stop() async throws {
        guard let process else { return }
        self.process = nil
        _ = try await process.finish()
    }

    /// Starts it again on the same port and folder.
    public func start() async throws {
        guard let program = Self.program else { throw SupportError("docker-registry is not installed") }
        // A shell between, because its standard input tells it of our end; the registry does not look at its own.
        process = try ChildProcess([
            "sh", "-c", #""$0" serve "$1" </dev/null >"$1.log" 2>&1 & read -r _; kill -9 $!"#, program, configuration,
        ])
        try await Self.listens(on: port)
    }

    /// Changes one byte of a blob where it is stored, past the registry's own API.
    public nonisolated func tamper(with digest: String) throws {
        let parts = digest.split(separator: ":").map(String.init)
        guard parts.count == 2 else { throw SupportError("not a digest: \(digest)") }
        let path = "\(folder.path)/data/docker/registry/v2/blobs/\(parts[0])/\(parts[1].prefix(2))/\(parts[1])/data"
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(filePath: path))
    }

    private static func listens(on port: Int) async throws {
        try await eventually("the registry listens") {
            guard let connection = try? LoopbackSocket.connect(to: port) else { return false }
            close(connection)
            return true
        }
    }
}
