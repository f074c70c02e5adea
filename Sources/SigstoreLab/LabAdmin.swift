import FoundationEssentials

/// What only the operator of a Sigstore does: new keys and shards, old ones closed.
actor LabAdmin {
    private let parts: LabParts
    private let publisher: TrustPublisher
    private var running: Task<Void, any Error>?

    init(parts: LabParts, publisher: TrustPublisher) {
        (self.parts, self.publisher) = (parts, publisher)
    }

    /// Makes new material, puts it to use and publishes the trust in both.
    func rotate(_ material: LabMaterial) async throws {
        try await alone { [parts, publisher] in
            switch material {
            case .fulcio: try await Self.advance(parts.authorities)
            case .ct: try await Self.advance(parts.certificateLogs)
            case .tsa: try await Self.advance(parts.timestamps)
            case .rekor:
                // indexes run on: the next shard must know how long this one got
                await parts.rekor.current.close()
                try await Self.advance(parts.rekor.lineage)
            case .rekor2:
                // clients are told of the new shard before the old one refuses them
                let old = parts.tiledLogs.current
                try await Self.advance(parts.tiledLogs)
                try await publisher.publish()
                try await old.freeze()
                return
            }
            try await publisher.publish()
        }
    }

    /// Freezes the current shard of Rekor v2, as an operator who has forgotten to announce the next.
    func freeze() async throws {
        try await alone { [parts] in try await parts.tiledLogs.current.freeze() }
    }

    /// Changes the TUF repository.
    func change(_ change: RepositoryChange) async throws {
        try await alone { [parts, publisher] in
            switch change {
            case .rotateRoot: try await parts.repository.rotateRoot()
            case .rotateKeys: try await parts.repository.rotateOnlineKeys()
            case .expire(let roles): try await parts.repository.expire(Set(roles.compactMap(MetadataRole.init)))
            case .rollBack: await parts.repository.rollBack()
            case .republish: try await publisher.publish()
            }
        }
    }

    /// One change at a time: each reads what the one before has left.
    private func alone(_ change: @escaping @Sendable () async throws -> Void) async throws {
        let before = running
        let task = Task {
            _ = await before?.result
            try await change()
        }
        running = task
        try await task.value
    }

    private static func advance<Member>(_ lineage: Lineage<Member>) async throws {
        try await LabParts.onOwnThread { try lineage.advance(now: Date()) }
    }
}

/// What can be done to the lab's TUF repository while it runs.
package enum RepositoryChange: Sendable, Equatable {
    /// New root keys: the next root is signed by a threshold of both sets.
    case rotateRoot
    /// New keys for timestamp, snapshot and targets.
    case rotateKeys
    /// These roles (`root`, `targets`, `snapshot`, `timestamp`) are published as expired; none renews all.
    case expire([String])
    /// The timestamp before the last is shown again, until something is published.
    case rollBack
    /// The same trust in new versions.
    case republish
}
