import FoundationEssentials

/// A cache in a folder: `root.json`, `timestamp.json` and so on as they were received, `root_history/N.root.json`, and
/// targets in `targets/`. Files are replaced whole; two processes that share it take turns.
public struct TUFCacheDirectory: TUFCache {
    private let path: String
    private let targets: String

    /// - Parameters:
    ///   - path: the folder; it is made, readable by its owner only, when something is stored.
    ///   - targets: where targets are kept; a folder in `path` if nil.
    public init(_ path: String, targets: String? = nil) {
        self.path = path
        self.targets = targets ?? "\(path)/targets"
    }

    public func root(version: Int64) async throws(TUFError) -> [UInt8]? { read(history(version)) }

    public func storeRoot(_ bytes: [UInt8], version: Int64) async throws(TUFError) {
        try write(bytes, to: history(version), in: "\(path)/root_history")
    }

    public func metadata(of role: String) async throws(TUFError) -> [UInt8]? { read(file(of: role)) }

    public func store(_ bytes: [UInt8], of role: String, version: Int64, under root: Int64) async throws(TUFError) {
        try write(bytes, to: file(of: role), in: path)
    }

    public func forget(_ role: String, under root: Int64) async throws(TUFError) {
        guard FileManager.default.fileExists(atPath: file(of: role)) else { return }
        do { try FileManager.default.removeItem(atPath: file(of: role)) } catch {
            throw .cache("cannot remove \(file(of: role)): \(error)")
        }
    }

    public func target(_ path: String) async throws(TUFError) -> [UInt8]? { read(file(ofTarget: path)) }

    public func storeTarget(_ bytes: [UInt8], path: String) async throws(TUFError) {
        try write(bytes, to: file(ofTarget: path), in: targets)
    }

    public func exclusively<Result: Sendable>(
        _ update: @Sendable () async throws(TUFError) -> Result
    ) async throws(TUFError) -> Result {
        try makeFolder(path)
        let lock = try await FolderLock(path: "\(path)/.lock", patience: .seconds(60))
        defer { lock.release() }
        return try await update()
    }

    // MARK: Files

    private func history(_ version: Int64) -> String { "\(path)/root_history/\(version).root.json" }

    private func file(of role: String) -> String { "\(path)/\(role.percentEncoded()).json" }

    /// One flat name for each path; it begins with no dot, so it is neither `..` nor hidden.
    private func file(ofTarget path: String) -> String {
        let name = path.percentEncoded()
        return "\(targets)/" + (name.hasPrefix(".") ? "%2E\(name.dropFirst())" : name)
    }

    private func read(_ file: String) -> [UInt8]? { FileManager.default.contents(atPath: file).map { [UInt8]($0) } }

    private func write(_ bytes: [UInt8], to file: String, in folder: String) throws(TUFError) {
        try makeFolder(folder)
        do { try Data(bytes).write(to: URL(filePath: file), options: .atomic) } catch {
            throw .cache("cannot write \(file): \(error)")
        }
    }

    private func makeFolder(_ folder: String) throws(TUFError) {
        guard !FileManager.default.fileExists(atPath: folder) else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .cache("cannot make \(folder): \(error)")
        }
    }
}
