import OCI
import Sigstore

/// What may be deleted of all that our records say was published.
///
/// A record is not believed, whoever wrote it there: the manifest has its digest, is attached to this artifact and carries
/// a bundle that verifies as of one of our identities. Each is judged by itself: one that cannot be shown to be ours keeps
/// no other from being deleted.
struct DeletionProof: Sendable {
    let signers: Signers
    /// How bundles were made that are too large to be stored.
    let streamed: StreamedAttestation

    private enum Verdict {
        case ours
        case notOurs
        /// Too little of it is kept. That is no sign of anything wrong.
        case unproven
    }

    /// - Returns: what may be deleted, and what is to be said of the rest: of what contradicts its record first.
    func sorted(
        _ bundles: [PublishedAttachment], on target: Target
    ) async throws -> (ours: [PublishedAttachment], left: Failure?) {
        var ours: [PublishedAttachment] = []
        var (notOurs, unproven): (Failure?, Failure?) = (nil, nil)
        for bundle in bundles {
            switch try await verdict(on: bundle, target) {
            case .ours: ours.append(bundle)
            case .notOurs: notOurs = notOurs ?? bundle.isNotOurs(target)
            case .unproven: unproven = unproven ?? bundle.isUnproven(target)
            }
        }
        return (ours, notOurs ?? unproven)
    }

    private func verdict(on attachment: PublishedAttachment, _ target: Target) async throws -> Verdict {
        guard attachment.format == .bundle, attachment.digest.matches(attachment.manifest) else { return .notOurs }
        if let json = attachment.bundle { return isOurs(attachment, json, on: target) ? .ours : .notOurs }
        guard let kept = try await streamed.kept(attachment, on: target) else { return .unproven }
        do {
            for identity in signers.identities {
                let signer = Signer(identity: identity, services: .none, trust: signers.trust.current)
                if try await streamed.isOurs(attachment, kept, on: target, as: signer) { return .ours }
            }
            return .notOurs
        } catch QueueError.unreadable {
            return .unproven  // parts of its document are gone
        } catch is SigningError {
            return .notOurs
        }
    }

    private func isOurs(_ attachment: PublishedAttachment, _ json: [UInt8], on target: Target) -> Bool {
        guard let referrer = try? BundleReferrer(manifest: attachment.manifest, bundle: json),
            (try? referrer.belongs(to: target.digest)) != nil,
            let bundle = try? UnverifiedBundle(json: json, limits: UnverifiedBundle.attestationLimits),
            let artifact = try? ArtifactDigest(target.digest.description)
        else { return false }
        let verifier = signers.trust.current.verifier
        return signers.identities.contains { identity in
            guard let expected = try? identity.expected else { return false }
            let verified = try? verifier.verify(
                bundle, artifact: artifact, by: expected, repositories: [target.repository.description])
            return verified != nil
        }
    }
}

extension SigningServices {
    /// For those who only look at what was signed.
    fileprivate static var none: SigningServices { SigningServices(logs: [], timestamps: nil) }
}

extension PublishedAttachment {
    fileprivate func isNotOurs(_ target: Target) -> Failure {
        Failure(
            code: "deletion.not_ours", stage: SigningStage.publish.rawValue,
            observed: "our record of \(digest) is not a manifest of ours on \(target.digest); it was not deleted",
            fix: "somebody changed the table attachment: look who can write to the database")
    }

    fileprivate func isUnproven(_ target: Target) -> Failure {
        Failure(
            code: "deletion.unproven", stage: SigningStage.publish.rawValue,
            observed:
                "\(digest) on \(target.digest) carries a document that is not kept any more, so that nothing shows "
                + "that it is ours; it was not deleted",
            fix: "delete that manifest by hand, if the registry is to forget it")
    }
}
