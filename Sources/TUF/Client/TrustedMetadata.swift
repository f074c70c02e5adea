public import FoundationEssentials

/// The metadata that one update has come to trust, and the checks by which it did: section 5 of the specification without
/// the fetching and storing. Steps carry the specification's numbers.
public struct TrustedMetadata: Sendable {
    /// 5.1: the moment against which every expiration of this update is held.
    public let startedAt: Date
    /// Whether expired metadata is good enough: only for looking at old things while offline.
    public let acceptsExpired: Bool
    /// The newest root (5.3).
    public private(set) var root: RootMetadata
    /// The timestamp (5.4); nil before one was taken.
    public private(set) var timestamp: TimestampMetadata?
    /// The snapshot (5.5); nil before one was taken.
    public private(set) var snapshot: SnapshotMetadata?
    /// The top-level targets.
    public private(set) var targets: TargetsMetadata?

    /// 5.2 Load trusted root metadata. Its expiration does not matter yet.
    init(root bytes: [UInt8], startedAt: Date, acceptsExpired: Bool = false) throws(TUFError) {
        let file = try MetadataFile(bytes, name: "root.json", type: "root")
        root = try RootMetadata(file)
        try file.verify(by: root.root)
        self.startedAt = startedAt
        self.acceptsExpired = acceptsExpired
    }

    private func checkFresh(_ name: String, _ expires: Date) throws(TUFError) {
        guard acceptsExpired || expires > startedAt else {
            throw .expired(file: name, at: expires, now: startedAt)
        }
    }

    // MARK: 5.3 Update the root role

    /// 5.3.4 to 5.3.7.
    /// - Returns: whether the keys of timestamp or snapshot changed (5.3.11).
    mutating func update(root bytes: [UInt8]) throws(TUFError) -> Bool {
        let name = "\(root.version + 1).root.json"
        let file = try MetadataFile(bytes, name: name, type: "root")
        let new = try RootMetadata(file)
        // 5.3.4 Check for an arbitrary software attack: signed by a threshold of the old and of the new keys
        try file.verify(by: root.root)
        try file.verify(by: new.root)
        // 5.3.5 Check for a rollback attack
        guard new.version == root.version + 1 else {
            throw .rollback(file: name, trusted: root.version, offered: new.version)
        }
        // 5.3.6: an intermediate root may have expired
        let isRotated =
            !new.timestamp.isSigned(bySameKeysAs: root.timestamp) || !new.snapshot.isSigned(bySameKeysAs: root.snapshot)
        // 5.3.7 Set the trusted root metadata file
        root = new
        return isRotated
    }

    /// 5.3.10 Check for a freeze attack.
    func checkFinalRoot() throws(TUFError) { try checkFresh("root.json", root.expires) }

    // MARK: 5.4 Update the timestamp role

    /// The timestamp of an earlier update; expired, it still protects against rollbacks.
    mutating func adopt(timestamp bytes: [UInt8]) throws(TUFError) {
        let file = try MetadataFile(bytes, name: "timestamp.json", type: "timestamp")
        try file.verify(by: root.timestamp)
        timestamp = try TimestampMetadata(file)
    }

    /// 5.4.2 to 5.4.4.
    /// - Returns: false if it is of the version that is trusted already: then the trusted one stays.
    mutating func update(timestamp bytes: [UInt8]) throws(TUFError) -> Bool {
        let file = try MetadataFile(bytes, name: "timestamp.json", type: "timestamp")
        // 5.4.2 Check for an arbitrary software attack
        try file.verify(by: root.timestamp)
        let new = try TimestampMetadata(file)
        if let trusted = timestamp {
            // 5.4.3.1 Check for a rollback attack: of the timestamp itself …
            guard new.version >= trusted.version else {
                throw .rollback(file: file.name, trusted: trusted.version, offered: new.version)
            }
            if new.version == trusted.version {
                try checkFinalTimestamp()
                return false
            }
            // 5.4.3.2 … and of the snapshot it names
            guard new.snapshot.version >= trusted.snapshot.version else {
                throw .rollback(
                    file: "snapshot.json", trusted: trusted.snapshot.version, offered: new.snapshot.version)
            }
        }
        // 5.4.4 Check for a freeze attack
        try checkFresh(file.name, new.expires)
        timestamp = new
        return true
    }

    func checkFinalTimestamp() throws(TUFError) {
        guard let timestamp else { throw .notCached(file: "timestamp.json") }
        try checkFresh("timestamp.json", timestamp.expires)
    }

    // MARK: 5.5 Update the snapshot role

    /// The snapshot of an earlier update; out of date, it still protects against rollbacks.
    /// - Returns: whether it is the one that the timestamp speaks of, so that nothing needs to be fetched.
    mutating func adopt(snapshot bytes: [UInt8]) throws(TUFError) -> Bool {
        guard let reference = timestamp?.snapshot else { return false }
        let file = try MetadataFile(bytes, name: "snapshot.json", type: "snapshot")
        try file.verify(by: root.snapshot)
        let known = try SnapshotMetadata(file)
        snapshot = known
        let isFresh = acceptsExpired || known.expires > startedAt
        return isFresh && known.version == reference.version
            && (try? reference.check(bytes, file: file.name)) != nil
    }

    /// 5.5.2 to 5.5.6.
    mutating func update(snapshot bytes: [UInt8]) throws(TUFError) {
        guard let reference = timestamp?.snapshot else { throw .missing(file: "timestamp.json") }
        let name = "snapshot.json"
        // 5.5.2 Check against timestamp role's snapshot hash
        try reference.check(bytes, file: name)
        // 5.5.3 Check for an arbitrary software attack
        let file = try MetadataFile(bytes, name: name, type: "snapshot")
        try file.verify(by: root.snapshot)
        let new = try SnapshotMetadata(file)
        // 5.5.4 Check against timestamp role's snapshot version
        guard new.version == reference.version else {
            throw .mixed(file: name, "version \(new.version), the timestamp names \(reference.version)")
        }
        // 5.5.5 Check for a rollback attack: no role goes back, none disappears
        for (name, trusted) in snapshot?.files ?? [:] {
            guard let offered = new.files[name] else { throw .removed(file: name) }
            guard offered.version >= trusted.version else {
                throw .rollback(file: name, trusted: trusted.version, offered: offered.version)
            }
        }
        // 5.5.6 Check for a freeze attack
        try checkFresh(name, new.expires)
        snapshot = new
    }

    // MARK: 5.6 Update the targets role

    /// What the snapshot says about a role.
    func reference(to role: String) throws(TUFError) -> MetadataReference {
        guard let reference = snapshot?.files["\(role).json"] else {
            throw .mixed(file: "\(role).json", "the snapshot does not list it")
        }
        return reference
    }

    /// 5.6.2 to 5.6.5 for the top-level targets.
    mutating func update(targets bytes: [UInt8]) throws(TUFError) {
        targets = try verify(bytes, role: "targets", keys: root.targets)
    }

    /// 5.6.2 to 5.6.5 for any targets role.
    /// - Parameter keys: those that the delegator *of this path of trust* names. A role that was good under one delegator is
    ///   nothing under another, so nobody may remember the answer by the role's name.
    func verify(_ bytes: [UInt8], role: String, keys: RoleKeys) throws(TUFError) -> TargetsMetadata {
        let name = "\(role).json"
        let reference = try reference(to: role)
        // 5.6.2 Check against snapshot role's targets hash
        try reference.check(bytes, file: name)
        // 5.6.3 Check for an arbitrary software attack
        let file = try MetadataFile(bytes, name: name, type: "targets")
        try file.verify(by: keys)
        let new = try TargetsMetadata(file)
        // 5.6.4 Check against snapshot role's targets version
        guard new.version == reference.version else {
            throw .mixed(file: name, "version \(new.version), the snapshot names \(reference.version)")
        }
        // 5.6.5 Check for a freeze attack
        try checkFresh(name, new.expires)
        return new
    }
}
