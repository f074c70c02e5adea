import FoundationEssentials

/// A folder that goes away with its owner.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init() throws {
        let base = FileManager.default.temporaryDirectory.path(percentEncoded: false)
        // Short: a Unix socket's path has 107 bytes.
        path = (base.hasSuffix("/") ? base : base + "/") + "cs-" + UUID().uuidString.prefix(13).lowercased()
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file below the folder and returns its path.
    @discardableResult
    public func write(_ content: String, to name: String) throws -> String {
        let file = path + "/" + name
        try Data(content.utf8).write(to: URL(filePath: file))
        return file
    }
}
