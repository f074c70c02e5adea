import FoundationEssentials
import OpenSSL

/// The four top-level roles of TUF (specification 1.0, §4).
enum MetadataRole: String, Sendable, CaseIterable, Codable {
    case root, targets, snapshot, timestamp
}

/// One signed file of a repository.
struct Metadata: Sendable {
    static let specVersion = "1.0.31"

    let version: Int
    let bytes: [UInt8]

    /// - Parameter members: what the role has beside type, versions and expiry.
    init(
        _ role: MetadataRole, version: Int, expires: Date, _ members: [String: MetadataValue], by keys: [MetadataKey]
    ) throws {
        self.version = version
        let signed = MetadataValue.object(
            members.merging([
                "_type": .text(role.rawValue), "spec_version": .text(Self.specVersion), "version": .number(version),
                "expires": .text(expires.formatted(.iso8601)),
            ]) { own, _ in own })
        let message = signed.canonical
        let signatures = try keys.map { try $0.signature(over: message) }
        bytes = MetadataValue.object(["signed": signed, "signatures": .list(signatures)]).json
    }

    /// A root that the keys before it vouch for, too (§5.3.4).
    static func root(version: Int, expires: Date, keys: MetadataKeys, before: MetadataKeys?) throws -> Metadata {
        let listed = keys.root + [keys.timestamp, keys.snapshot, keys.targets]
        func role(_ keys: [MetadataKey], threshold: Int) -> MetadataValue {
            .object(["keyids": .list(keys.map { .text($0.id) }), "threshold": .number(threshold)])
        }
        // a threshold of each set, and never one key twice
        let signers = keys.root.prefix(MetadataKeys.rootThreshold)
        let earlier = (before?.root ?? []).prefix(MetadataKeys.rootThreshold).filter { old in
            !signers.contains { $0.id == old.id }
        }
        return try Metadata(
            .root, version: version, expires: expires,
            [
                "consistent_snapshot": .flag(true),
                "keys": .object(Dictionary(uniqueKeysWithValues: listed.map { ($0.id, $0.description) })),
                "roles": .object([
                    "root": role(keys.root, threshold: MetadataKeys.rootThreshold),
                    "timestamp": role([keys.timestamp], threshold: 1),
                    "snapshot": role([keys.snapshot], threshold: 1), "targets": role([keys.targets], threshold: 1),
                ]),
            ], by: Array(signers) + earlier)
    }

    /// `{"length":…,"hashes":…}`, as targets and metadata are listed.
    static func fileInfo(_ bytes: [UInt8], version: Int? = nil) -> MetadataValue {
        var members: [String: MetadataValue] = [
            "length": .number(bytes.count), "hashes": .object(["sha256": .text(Hash.sha256(bytes).hex)]),
        ]
        if let version { members["version"] = .number(version) }
        return .object(members)
    }
}
