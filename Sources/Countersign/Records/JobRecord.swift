package import FoundationEssentials
package import OCI

/// A job as `GET /v1/jobs` shows it.
package struct JobRecord: Sendable {
    package let id: Int64
    package let kind: JobKind
    package let repository: Repository
    /// `nil` while only a tag is known.
    package let digest: Digest?
    /// Of the target; `nil` with the digest.
    package let purpose: Purpose?
    package let tag: String?
    /// `queued`, `signing` (also: resolving) or `waiting`; see ``recheck``.
    package let state: TargetState
    package let recheck: Bool
    package let lane: Lane
    package let attempt: Int
    package let failures: Int
    package let crashes: Int
    package let receivedAt: Date
    package let runAt: Date
    package let leaseExpiresAt: Date?
    package let worker: UUID?
    package let lastError: Failure?
}

/// Work that was given up.
package struct DeadLetter: Sendable {
    package let jobID: Int64
    package let kind: JobKind
    package let targetID: Int64?
    package let repository: Repository
    package let digest: Digest?
    /// Of the target; `nil` with the digest.
    package let purpose: Purpose?
    package let tag: String?
    package let buriedAt: Date
    package let receivedAt: Date
    package let attempts: Int
    package let crashes: Int
    package let error: Failure
}

/// A page of rows in descending order of id, and where the next one starts.
package struct Page<Item: Sendable>: Sendable {
    package let items: [Item]
    /// Pass as `before` to go on; `nil` at the end.
    package let next: Int64?

    init(_ items: [Item], next: Int64?) {
        self.items = items
        self.next = next
    }

    init(_ items: [Item], limit: Int, id: (Item) -> Int64) {
        self.items = items
        next = items.count < limit ? nil : items.last.map(id)
    }
}
