/// One push as a registry told it, in the words of no particular dialect.
///
/// It is a hint, never evidence: registry, repository, digest and tag in it select configured things and are looked up
/// again with our own credentials before anything is signed.
package struct PushEvent: Sendable, Equatable {
    /// The sender's own id of the event, the same over its retries.
    package var id: String?
    /// The host by which the pusher reached the registry; may carry a port. Never dialled.
    package var registryHost: String
    package var repository: String
    /// As written; may be malformed.
    package var digest: String?
    package var tag: String?
    package var mediaType: String?
    /// Media types of what the manifest points at, where the sender tells.
    package var references: [String] = []
    package var actor: String?
    package var userAgent: String?
    /// The event without URLs, tokens and addresses, for the record.
    package var record: [UInt8] = []

    package init(registryHost: String, repository: String) {
        self.registryHost = registryHost
        self.repository = repository
    }
}

/// What a dialect makes of one event of a delivery.
package enum ReceivedEvent: Sendable, Equatable {
    case push(PushEvent)
    /// Not a push of a manifest.
    case ignored(IgnoredReason)
}

/// Why an event is not looked at. A closed list: it labels a metric, and nothing of it is written to the database
/// (a registry tells of every pull and every blob).
package enum IgnoredReason: String, Sendable, CaseIterable {
    /// A pull, mount or delete.
    case action
    /// A blob, or a type we do not know as a manifest.
    case notAManifest = "not_a_manifest"
    /// Docker schema 1: its digest does not name its bytes.
    case schema1
    /// A tag of the referrers fallback or of an older signature.
    case signerTag = "signer_tag"
    /// Pushed by this daemon.
    case ownPush = "own_push"
    /// Pushed by a signer that the endpoint lists.
    case otherSigner = "other_signer"
    /// A manifest of signatures or attestations.
    case signatureMaterial = "signature_material"
    /// Neither a valid digest nor a tag.
    case nothingToResolve = "nothing_to_resolve"
    /// The event lacks what its dialect promises.
    case incomplete
}
