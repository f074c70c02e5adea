import OpenSSL

/// One look at a repository: the metadata trusted at its start, and targets found through it.
public struct TUFSession: Sendable {
    private let client: TUFClient
    /// What was verified.
    public private(set) var trusted: TrustedMetadata
    /// Whether only the cache is asked.
    public let isOffline: Bool

    init(client: TUFClient, trusted: TrustedMetadata, isOffline: Bool) {
        self.client = client
        self.trusted = trusted
        self.isOffline = isOffline
    }

    // MARK: Updating

    mutating func update() async throws(TUFError) {
        try await updateRoot()
        try await updateTimestamp()
        try await updateSnapshot()
        try await updateTargets()
    }

    /// 5.3 Update the root role.
    private mutating func updateRoot() async throws(TUFError) {
        for _ in 0..<client.limits.rootUpdates {
            // 5.3.3 Try downloading version N+1
            let version = trusted.root.version + 1
            let limit = client.limits.rootBytes
            guard let bytes = try await fetch("\(version).root.json", atMost: limit) else { break }
            // 5.3.11 If the timestamp and / or snapshot keys have been rotated, delete the trusted ones: before the root is
            // stored, since afterwards nobody would see that they were
            if try trusted.update(root: bytes) {
                try await client.cache.forget("timestamp", under: version)
                try await client.cache.forget("snapshot", under: version)
            }
            // 5.3.8 Persist root metadata
            try await client.cache.storeRoot(bytes, version: version)
            try await store(bytes, of: "root", version: version)
        }
        // 5.3.10 Check for a freeze attack. 5.3.12: consistent snapshots are asked for where names are made
        try trusted.checkFinalRoot()
    }

    /// 5.4 Update the timestamp role.
    private mutating func updateTimestamp() async throws(TUFError) {
        // what does not verify (any more) is not there
        if let known = try await client.cache.metadata(of: "timestamp") { try? trusted.adopt(timestamp: known) }
        // 5.4.1 Download the timestamp metadata file
        guard let bytes = try await fetch("timestamp.json", atMost: client.limits.timestampBytes) else {
            throw .missing(file: "timestamp.json")
        }
        // 5.4.5 Persist timestamp metadata
        if try trusted.update(timestamp: bytes) {
            try await store(bytes, of: "timestamp", version: trusted.timestamp?.version ?? 0)
        }
    }

    /// 5.5 Update the snapshot role.
    private mutating func updateSnapshot() async throws(TUFError) {
        if let known = try await client.cache.metadata(of: "snapshot"),
            (try? trusted.adopt(snapshot: known)) == true
        {
            return
        }
        guard let reference = trusted.timestamp?.snapshot else { throw .missing(file: "timestamp.json") }
        // 5.5.1 Download snapshot metadata file
        let bytes = try await fetch("snapshot", reference, atMost: client.limits.snapshotBytes)
        try trusted.update(snapshot: bytes)
        // 5.5.7 Persist snapshot metadata
        try await store(bytes, of: "snapshot", version: reference.version)
    }

    /// 5.6 Update the targets role.
    private mutating func updateTargets() async throws(TUFError) {
        if let known = try await client.cache.metadata(of: "targets"), (try? trusted.update(targets: known)) != nil {
            return
        }
        let reference = try trusted.reference(to: "targets")
        // 5.6.1 Download the top-level targets metadata file
        let bytes = try await fetch("targets", reference, atMost: client.limits.targetsBytes)
        try trusted.update(targets: bytes)
        // 5.6.6 Persist targets metadata
        try await store(bytes, of: "targets", version: reference.version)
    }

    /// The same roles out of the cache alone.
    mutating func loadCached() async throws(TUFError) {
        try trusted.checkFinalRoot()
        func cached(_ role: String) async throws(TUFError) -> [UInt8] {
            guard let bytes = try await client.cache.metadata(of: role) else { throw .notCached(file: "\(role).json") }
            return bytes
        }
        try trusted.adopt(timestamp: try await cached("timestamp"))
        try trusted.checkFinalTimestamp()
        try trusted.update(snapshot: try await cached("snapshot"))
        try trusted.update(targets: try await cached("targets"))
    }

    // MARK: Targets

    /// 5.6.7: a pre-order depth-first search for the role that may speak about the path and does.
    /// - Throws: ``TUFError/noTarget(path:)`` if none does; a role on the way that cannot be had ends the search.
    public func find(_ path: String) async throws(TUFError) -> TargetFile {
        guard let top = trusted.targets else { throw .notCached(file: "targets.json") }
        var waiting: [(role: String, keys: RoleKeys)] = [("targets", trusted.root.targets)]
        var visited: Set<String> = []
        while let (name, keys) = waiting.popLast() {
            // 5.6.7.1: each role once, and not too many
            guard !visited.contains(name) else { continue }
            guard visited.count < client.limits.rolesVisited else {
                throw .tooMany(what: "roles for \(printable(path))", limit: client.limits.rolesVisited)
            }
            visited.insert(name)
            let role = name == "targets" ? top : try await self.role(name, keys)
            if let target = role.targets[path] { return target }
            // 5.6.7.2: its delegations in order of appearance; nothing after one that is terminating
            let responsible = role.delegations.responsible(for: path)
            if responsible.isFinal { waiting = [] }
            for name in responsible.names.reversed() {
                if let keys = role.delegations.role(named: name) { waiting.append((name, keys)) }
            }
        }
        throw .noTarget(path: path)
    }

    /// 5.7 Fetch target: out of the cache if it is there as described, else from the repository.
    /// - Throws: ``TUFError/noTarget(path:)``, ``TUFError/wrongTarget(path:_:)``, or why it could not be had.
    public func target(_ path: String) async throws(TUFError) -> [UInt8] {
        // 5.7.1, 5.7.2
        let target = try await find(path)
        if let known = try await client.cache.target(path), (try? target.check(known)) != nil { return known }
        guard !isOffline else { throw .notCached(file: path) }
        let limit = client.limits.targetBytes
        guard target.length <= limit else { throw .tooLong(file: path, limit: limit) }
        // 5.7.3
        let name = try fileName(target)
        let bytes = try await client.repository.target(name.percentEncoded(keeping: "/"), atMost: target.length)
        guard let bytes else { throw .missing(file: name) }
        try target.check(bytes)
        try await client.cache.storeTarget(bytes, path: path)
        return bytes
    }

    /// `dir/HASH.name` in a consistent snapshot, else the path itself.
    private func fileName(_ target: TargetFile) throws(TUFError) -> String {
        guard trusted.root.consistentSnapshot else { return target.path }
        guard let digest = target.nameDigest else {
            throw .wrongTarget(path: target.path, "only digests of algorithms that we do not know")
        }
        let start = target.path.lastIndex(of: "/").map { target.path.index(after: $0) } ?? target.path.startIndex
        return "\(target.path[..<start])\(Hex.encode(digest)).\(target.path[start...])"
    }

    private func role(_ name: String, _ keys: RoleKeys) async throws(TUFError) -> TargetsMetadata {
        let reference = try trusted.reference(to: name)
        if let known = try await client.cache.metadata(of: name),
            let role = try? trusted.verify(known, role: name, keys: keys)
        {
            return role
        }
        guard !isOffline else { throw .notCached(file: "\(name).json") }
        let bytes = try await fetch(name, reference, atMost: client.limits.targetsBytes)
        let role = try trusted.verify(bytes, role: name, keys: keys)
        try await store(bytes, of: name, version: reference.version)
        return role
    }

    // MARK: Repository and cache

    /// A file that the role above names: `VERSION.role.json` in a consistent snapshot, else `role.json`.
    private func fetch(
        _ role: String, _ reference: MetadataReference, atMost limit: Int
    ) async throws(TUFError) -> [UInt8] {
        let name = "\(role.percentEncoded()).json"
        let file = trusted.root.consistentSnapshot ? "\(reference.version).\(name)" : name
        // whoever has the online key may say any length: ours holds all the same
        guard reference.length ?? 0 <= limit else { throw .tooLong(file: file, limit: limit) }
        guard let bytes = try await fetch(file, atMost: reference.length ?? limit) else { throw .missing(file: file) }
        return bytes
    }

    private func fetch(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        guard let bytes = try await client.repository.metadata(name, atMost: limit) else { return nil }
        // the repository should have stopped there
        guard bytes.count <= limit else { throw .tooLong(file: name, limit: limit) }
        return bytes
    }

    private func store(_ bytes: [UInt8], of role: String, version: Int64) async throws(TUFError) {
        try await client.cache.store(bytes, of: role, version: version, under: trusted.root.version)
    }
}
