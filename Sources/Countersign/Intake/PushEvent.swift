package import FoundationEssentials
import OCI

/// One push as a registry told it, in the words of no particular dialect.
///
/// It is a hint, never evidence: registry, repository, digest and tag in it select configured things and are looked up
/// again with our own credentials before anything is signed.
package struct PushEvent: Sendable, Equatable {
    /// The sender's own id of the event, the same over its retries.
    package var id: String?
    /// The host by which the pusher reached the registry; may carry a port. Never dialled. Nil where the sender tells none.
    package var registryHost: String?
    /// As written; may be malformed. Nil where the sender tells none.
    package var repository: String?
    /// As written; may be malformed.
    package var digest: String?
    /// As written; Harbor and zot put a digest here. ``usableTag`` is what counts.
    package var tag: String?
    package var mediaType: String?
    /// Media types of what the manifest points at, where the sender tells: of an image, its config first, then its layers.
    package var references: [String] = []
    package var actor: String?
    package var userAgent: String?
    /// When it happened, by the sender's clock.
    package var time: Date?
    /// The event without URLs, tokens and addresses, for the record.
    package var record: [UInt8] = []

    package init(registryHost: String?, repository: String?) {
        self.registryHost = registryHost
        self.repository = repository
    }

    /// The tag, if it is one by the distribution specification's grammar: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    package var usableTag: String? { tag.flatMap { $0.isTag ? $0 : nil } }

    /// Whether every layer is a signature or an attestation. One that is not makes it an image like any other, whatever
    /// else it carries, as ``OCI/Manifest/isSignatureMaterial`` says when the manifest itself is there.
    package var hasOnlySignatureLayers: Bool {
        let layers = references.dropFirst()
        return mediaType.map(MediaType.isIndex) == false && !layers.isEmpty
            && layers.allSatisfy(MediaType.isSignatureLayer)
    }

    /// Docker schema 1: its digest does not name its bytes, so nothing can be signed.
    package static func isSchema1(_ mediaType: String) -> Bool {
        mediaType == MediaType.dockerSchema1 || mediaType == MediaType.dockerSchema1Signed
    }
}

extension String {
    fileprivate var isTag: Bool {
        guard (1...128).contains(utf8.count), let first = utf8.first, first != 0x2E, first != 0x2D else { return false }
        return allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    }
}

/// What a dialect makes of one event of a delivery.
package enum ReceivedEvent: Sendable, Equatable {
    case push(PushEvent)
    /// Not a push of a manifest.
    case ignored(IgnoredReason)

    /// When it happened, by the sender's clock; nil where that was not read.
    var time: Date? { if case .push(let event) = self { event.time } else { nil } }
}

/// Why an event is not looked at. A closed list: it labels a metric, and nothing of it is written to the database
/// (a registry tells of every pull and every blob).
package enum IgnoredReason: String, Sendable, CaseIterable {
    /// A pull, mount or delete.
    case action
    /// A blob, or a type we do not know as a manifest.
    case notAManifest = "not_a_manifest"
    /// A tag of the referrers fallback or of an older signature.
    case signerTag = "signer_tag"
    /// Pushed by this daemon.
    case ownPush = "own_push"
    /// Pushed by a signer that the endpoint lists.
    case otherSigner = "other_signer"
    /// A manifest of signatures or attestations.
    case signatureMaterial = "signature_material"
    /// Not an event, or one that does not say what happened.
    case incomplete
}
