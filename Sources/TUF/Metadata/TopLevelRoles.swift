public import FoundationEssentials
public import OpenSSL

/// The root of trust of a repository (4.3): who may sign which role.
public struct RootMetadata: Sendable {
    /// Increased by one with every change.
    public let version: Int64
    /// After this moment it is good only for finding its successor.
    public let expires: Date
    /// Whether file names carry versions and digests (6.2).
    public let consistentSnapshot: Bool
    /// Who signs the next root.
    public let root: RoleKeys
    /// Who signs the timestamp.
    public let timestamp: RoleKeys
    /// Who signs the snapshot.
    public let snapshot: RoleKeys
    /// Who signs the top-level targets.
    public let targets: RoleKeys

    init(_ file: MetadataFile) throws(TUFError) {
        version = file.version
        expires = file.expires
        consistentSnapshot = try file.signed.optional("consistent_snapshot")?.bool() ?? false
        let keys = try TUFKey.all(file.signed.required("keys"))
        let roles = try file.signed.required("roles")
        root = try RoleKeys(roles.required("root"), keys: keys)
        timestamp = try RoleKeys(roles.required("timestamp"), keys: keys)
        snapshot = try RoleKeys(roles.required("snapshot"), keys: keys)
        targets = try RoleKeys(roles.required("targets"), keys: keys)
    }
}

/// What a role says about the metadata file below it (4.4 "METAFILES").
public struct MetadataReference: Sendable, Equatable {
    /// The version the file must have.
    public let version: Int64
    /// Its exact length in bytes, if stated.
    public let length: Int?
    /// Its digests, if stated.
    public let digests: [DigestAlgorithm: [UInt8]]?

    init(_ field: MetadataField) throws(TUFError) {
        version = try field.required("version").integer(atLeast: 1)
        length = try field.optional("length").map { field throws(TUFError) in Int(try field.integer(atLeast: 1)) }
        digests = try field.optional("hashes")?.digests()
    }

    /// Whether these bytes are the ones spoken of. With digests of unknown algorithms only, nothing could be said: refused.
    func check(_ bytes: [UInt8], file: String) throws(TUFError) {
        if let length, bytes.count != length {
            throw .mixed(file: file, "\(bytes.count) bytes instead of \(length)")
        }
        if let digests, let fault = digests.fault(in: bytes) { throw .mixed(file: file, fault) }
    }
}

extension [DigestAlgorithm: [UInt8]] {
    /// What is wrong with these bytes; nil if they have every one of these digests, and there is one.
    func fault(in bytes: [UInt8]) -> String? {
        if isEmpty { return "only digests of algorithms that we do not know" }
        for (algorithm, expected) in self where Hash.digest(algorithm, bytes) != expected {
            return "another \(algorithm.rawValue) digest"
        }
        return nil
    }
}

/// Which snapshot is current (4.6): the one file without a version in its name, signed anew every few hours or days.
public struct TimestampMetadata: Sendable {
    /// The version; it only grows.
    public let version: Int64
    /// After this moment it says nothing any more.
    public let expires: Date
    /// The current `snapshot.json`.
    public let snapshot: MetadataReference

    init(_ file: MetadataFile) throws(TUFError) {
        version = file.version
        expires = file.expires
        snapshot = try MetadataReference(file.signed.required("meta").required("snapshot.json"))
    }
}

/// Which versions of all targets roles belong together (4.4).
public struct SnapshotMetadata: Sendable {
    /// The version; it only grows.
    public let version: Int64
    /// After this moment it says nothing any more.
    public let expires: Date
    /// By file name: `targets.json`, and one for every delegated role.
    public let files: [String: MetadataReference]

    init(_ file: MetadataFile) throws(TUFError) {
        version = file.version
        expires = file.expires
        var files: [String: MetadataReference] = [:]
        for (name, field) in try file.signed.required("meta").members(atMost: 1 << 17) {
            files[name] = try MetadataReference(field)
        }
        self.files = files
    }
}
