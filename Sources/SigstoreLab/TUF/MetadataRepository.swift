import FoundationEssentials
import OpenSSL

/// The TUF repository by which clients learn the lab's trust: consistent snapshots, targets under `targets/`.
///
/// The first root, `1.root.json`, is what a client pins. Everything is kept in `tuf/` of the lab's folder, so that
/// versions only ever grow, also over restarts.
actor MetadataRepository {
    /// What is counted; the files themselves can be found by it.
    private struct Counters: Codable {
        var root = 0
        var online = 0
        /// Generation of the root keys and of the others.
        var rootKeys = 1
        var onlineKeys = 1
    }

    private static let lifetimes: [MetadataRole: TimeInterval] = [
        .root: 365 * 86_400, .targets: 90 * 86_400, .snapshot: 30 * 86_400, .timestamp: 7 * 86_400,
    ]

    private let folder: String
    private let store: KeyStore
    private var counters: Counters
    private var targets: [String: [UInt8]] = [:]
    private var expired: Set<MetadataRole> = []
    private var previousTimestamp: [UInt8]?
    private var served: [UInt8]?

    /// - Throws: `LabError.storage` if what is in the folder cannot be used.
    init(folder: String, store: KeyStore) throws {
        (self.folder, self.store) = (folder, store)
        try AtomicFile.makeFolder("\(folder)/targets")
        let text = try AtomicFile.read("\(folder)/counters.json")
        counters = try text.map { try JSONDecoder().decode(Counters.self, from: Data($0.utf8)) } ?? Counters()
    }

    /// Publishes targets in a new version of everything but the root; the first time, the root as well.
    func publish(_ targets: [String: [UInt8]]) async throws {
        self.targets = targets
        try await publish()
    }

    /// New root keys: the next root is signed by a threshold of the old and of the new.
    func rotateRoot() async throws {
        counters.rootKeys += 1
        try await publishRoot(before: try await keys(root: counters.rootKeys - 1, online: counters.onlineKeys))
        try await publish()
    }

    /// New keys for timestamp, snapshot and targets, named in a new root.
    func rotateOnlineKeys() async throws {
        counters.onlineKeys += 1
        try await publishRoot(before: try await keys(root: counters.rootKeys, online: counters.onlineKeys - 1))
        try await publish()
    }

    /// Publishes everything again with these roles' expiry in the past; an empty set renews all.
    func expire(_ roles: Set<MetadataRole>) async throws {
        let rootChanges = expired.contains(.root) != roles.contains(.root)
        expired = roles
        if rootChanges {
            try await publishRoot(before: try await keys(root: counters.rootKeys, online: counters.onlineKeys))
        }
        try await publish()
    }

    /// Shows the timestamp before the last again, as an attacker would who keeps clients from news.
    func rollBack() { served = previousTimestamp }

    /// A file of the repository, by its path below the URL.
    func file(_ path: String) async throws -> [UInt8]? {
        if path == "timestamp.json", let served { return served }
        guard !path.contains(".."), !path.hasPrefix("/"), path != "counters.json" else { return nil }
        return try await LabParts.onOwnThread { [folder] in
            // no trimming of white space here: targets are hashed as they are
            let name = "\(folder)/\(path)"
            let type = try? FileManager.default.attributesOfItem(atPath: name)[.type] as? FileAttributeType
            return type == .typeRegular ? Array(try Data(contentsOf: URL(filePath: name))) : nil
        }
    }

    private func publish() async throws {
        if counters.root == 0 { try await publishRoot(before: nil) }
        let keys = try await keys(root: counters.rootKeys, online: counters.onlineKeys)
        counters.online += 1
        try await keepCounters()  // a version is used once, whatever happens to this attempt
        let version = counters.online
        var listed: [String: MetadataValue] = [:]
        for (name, bytes) in targets {
            listed[name] = Metadata.fileInfo(bytes)
            try await write(bytes, "targets/\(Hash.sha256(bytes).hex).\(name)")
        }
        let targets = try Metadata(
            .targets, version: version, expires: expiry(.targets), ["targets": .object(listed)], by: [keys.targets])
        let snapshot = try Metadata(
            .snapshot, version: version, expires: expiry(.snapshot),
            ["meta": .object(["targets.json": Metadata.fileInfo(targets.bytes, version: version)])],
            by: [keys.snapshot])
        let timestamp = try Metadata(
            .timestamp, version: version, expires: expiry(.timestamp),
            ["meta": .object(["snapshot.json": Metadata.fileInfo(snapshot.bytes, version: version)])],
            by: [keys.timestamp])
        try await write(targets.bytes, "\(version).targets.json")
        try await write(snapshot.bytes, "\(version).snapshot.json")
        previousTimestamp = try await file("timestamp.json")
        // last: whoever sees it can have all that it names
        try await write(timestamp.bytes, "timestamp.json")
        served = nil
    }

    private func publishRoot(before: MetadataKeys?) async throws {
        counters.root += 1
        let keys = try await keys(root: counters.rootKeys, online: counters.onlineKeys)
        let root = try Metadata.root(
            version: counters.root, expires: expiry(.root), keys: keys, before: before)
        try await write(root.bytes, "\(counters.root).root.json")
        try await keepCounters()
    }

    private func expiry(_ role: MetadataRole) -> Date {
        Date().addingTimeInterval(expired.contains(role) ? -3600 : Self.lifetimes[role] ?? 0)
    }

    private func keys(root: Int, online: Int) async throws -> MetadataKeys {
        try await LabParts.onOwnThread { [store] in try MetadataKeys(store, root: root, online: online) }
    }

    private func keepCounters() async throws {
        try await write(try canonicalJSON(counters), "counters.json")
    }

    private func write(_ bytes: [UInt8], _ path: String) async throws {
        try await AtomicFile.write(String(decoding: bytes, as: UTF8.self), aside: "\(folder)/\(path)")
    }
}
