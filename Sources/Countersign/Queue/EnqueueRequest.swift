package import OCI

/// One thing that intake (or a job) hands to the queue: a push that policy let in, or one that it only records.
package struct EnqueueRequest: Sendable {
    /// Endpoint that received it, or what derived it (`index`, `resolve`).
    package var source: String
    /// Canonical registry name when accepted; what the payload claimed otherwise. Recorded, never dialled.
    package var registry: String
    package var repository: String
    /// Absent when the event named only a tag: it becomes a ``JobKind/resolve`` job.
    package var digest: Digest?
    package var tag: String?
    package var mediaType: String?
    package var actor: String?
    package var lane: Lane
    package var verdict: Verdict
    /// What arrived. Absent for work derived from other work: no event row is written for it.
    package var delivery: RecordedDelivery?
    /// Names the delivery that the work comes from, so that one id leads from the webhook to the log entry.
    package var deliveryKey: [UInt8]?
    /// Whether its source knows where the tag points: the registry itself does; somebody who asks for a signature by hand,
    /// or an endpoint that names a repository that is not on its list, does not.
    package var speaksForTag = true
    /// How many indexes lead to it; 0: it was asked for by itself.
    package var depth: Int16 = 0
    /// In which formats it is to be signed, where its rule has more; `nil`, as of every push: in all of the rule's.
    package var formats: Set<SignatureFormat>?

    /// - Parameter deliveryKey: only for derived work; a delivery has its own.
    package init(
        source: String, registry: String, repository: String, digest: Digest?, tag: String? = nil,
        mediaType: String? = nil, actor: String? = nil, lane: Lane = .live,
        verdict: Verdict, delivery: RecordedDelivery?, deliveryKey: [UInt8]? = nil
    ) {
        self.source = source
        self.registry = registry
        self.repository = repository
        self.digest = digest
        self.tag = tag
        self.mediaType = mediaType
        self.actor = actor
        self.lane = lane
        self.verdict = verdict
        self.delivery = delivery
        self.deliveryKey = deliveryKey ?? delivery?.key
    }

    /// What intake decided, before anything was dialled. Policy is evaluated again when the job runs.
    package enum Verdict: Sendable, Equatable {
        case accepted(rule: String, policyVersion: String)
        /// Understood and not ours to sign (unknown host, repository outside the list, no rule).
        case refused(reason: String)
    }
}

/// The delivery that an event came in, kept for the record.
package struct RecordedDelivery: Sendable, Equatable {
    /// At most 64 bytes; names the event in logs and in the table. Not the dedupe authority: that is the target's key.
    package let key: [UInt8]
    /// The event's own JSON without URLs, tokens and addresses; at most 1 MiB.
    package let body: [UInt8]

    package init(key: [UInt8], body: [UInt8]) {
        self.key = key
        self.body = body
    }
}
