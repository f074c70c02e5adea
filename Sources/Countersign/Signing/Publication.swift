import FailPoints
import FoundationEssentials
import Logging
import OCI
import Sigstore

/// Puts a verified signature where its readers look, and believes it only once the registry serves it.
package struct Publication: Sendable {
    let journal: Journal
    let subjects: SubjectTurns

    package init(journal: Journal, subjects: SubjectTurns) {
        self.journal = journal
        self.subjects = subjects
    }

    /// Publishes unless the registry already serves it, and reads it back; both are recorded.
    ///
    /// The fallback index and the legacy tag are read, changed and written without any lock in the registry (eight cosigns
    /// at once lose three signatures), so all our writers of one subject take turns by its lease.
    /// - Parameter shared: the bundle, where other subjects of the repository have the same one.
    /// - Returns: the manifest in which the registry serves it.
    @discardableResult
    func publish(
        _ logged: LoggedEvidence, _ order: SigningOrder, _ trace: AttemptTrace, sharing shared: SharedBundle? = nil
    ) async throws -> Digest {
        // A first publication cannot be there already; everything else may be.
        if logged.evidence.attachment?.pushedAt != nil {
            let served = try await trace.stage(.readBack) { try await order.place.serves(logged.artefact, order) }
            if let served { return served }
            try FailPoint.recordMissing.before(QueueError.injected)
            try await journal.missing(logged.evidence, for: order.claim)
            try FailPoint.recordMissing.after(QueueError.injected)
        }
        let pushed = try await trace.stage(.publish, { (pushed: PushedArtefact) in ["manifest": "\(pushed.manifest)"] })
        {
            try await subjects.taking(order.target, at: order.place.repository, for: order.claim) {
                () async throws -> PushedArtefact in
                let pushed = try await order.place.push(logged.artefact, order, shared)
                if case .referrer(let attachment) = pushed, !order.superseded.isEmpty {
                    try await order.place.registry.dropFromFallbackIndex(
                        order.place.repository.name, subject: order.target.digest,
                        referrers: order.superseded.subtracting([attachment.manifest.digest]))
                }
                return pushed
            }
        }
        try await trace.stage(.readBack) {
            try await order.place.readBack(pushed, of: logged.artefact, order, shared)
            try FailPoint.recordPush.before(QueueError.injected)
            try await journal.published(logged.evidence, for: order.claim)
            try FailPoint.recordPush.after(QueueError.injected)
        }
        return pushed.manifest
    }
}

/// What a push came to.
enum PushedArtefact: Sendable {
    case referrer(Attachment)
    case layer(LegacyAttachment)

    var manifest: Digest {
        switch self {
        case .referrer(let attachment): attachment.manifest.digest
        case .layer(let attachment): attachment.manifest
        }
    }
}

extension SignaturePlace {
    fileprivate func push(
        _ artefact: LoggedEvidence.Artefact, _ order: SigningOrder, _ shared: SharedBundle?
    ) async throws -> PushedArtefact {
        switch artefact {
        case .referrer(let referrer, let bundle):
            if let shared { return .referrer(try await shared.attach(referrer, in: self)) }
            return .referrer(try await registry.attach(referrer, bundle: bundle, to: repository.name))
        case .layer(let layer):
            return .layer(
                try await registry.attach(
                    layer, order.content.kind, to: order.target.digest, in: repository.name,
                    superseding: order.superseded))
        }
    }

    /// Fetches what others will read, and compares it with what was verified.
    fileprivate func readBack(
        _ pushed: PushedArtefact, of artefact: LoggedEvidence.Artefact, _ order: SigningOrder, _ shared: SharedBundle?
    ) async throws {
        switch (pushed, artefact) {
        case (.referrer(let attachment), .referrer) where shared != nil:
            // its bundle was compared when it was put there, for all that have it
            try await registry.readBackManifest(attachment, from: repository.name)
        case (.referrer(let attachment), .referrer(_, let bundle)):
            guard try await registry.readBack(attachment, from: repository.name) == bundle else {
                throw SigningError.readBackDiffers("the bundle of \(attachment.manifest.digest)")
            }
        case (.layer(let attachment), .layer(let layer)):
            // the manifest was read until the layer stood in it; the blob is fixed by its digest
            let name = repository.name
            guard try await registry.blob(name, layer.descriptor.digest, limit: layer.payload.count) == layer.payload
            else { throw SigningError.readBackDiffers("the payload under \(attachment.tag)") }
        default: throw SigningError.readBackDiffers("another kind of artefact")
        }
    }

    /// Where the registry lists and serves what was published before; nil only if it says that it does not.
    fileprivate func serves(
        _ artefact: LoggedEvidence.Artefact, _ order: SigningOrder
    ) async throws(OCIError) -> Digest? {
        let (name, digest) = (repository.name, order.target.digest)
        switch artefact {
        case .layer(let layer):
            return try await registry.isAttached(layer, order.content.kind, to: digest, in: name)?.manifest
        case .referrer(let referrer, let bundle):
            guard try await registry.isAttached(referrer.descriptor.digest, to: digest, in: name) else { return nil }
            do {
                guard try await registry.blob(name, .sha256(of: bundle), limit: bundle.count) == bundle else {
                    return nil
                }
            } catch .notFound {
                return nil
            }
            return referrer.descriptor.digest
        }
    }
}
