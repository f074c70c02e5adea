import OCI
import Sigstore

/// What may be deleted of all that our records say was published.
///
/// A record is not believed, whoever wrote it there: the manifest has its digest, is attached to this artifact and carries
/// a bundle that verifies as of one of our identities. Each is judged by itself: one that cannot be shown to be ours keeps
/// no other from being deleted, but for the signature beside a document that the registry goes on listing.
struct DeletionProof: Sendable {
    let signers: Signers
    let journal: Journal

    private enum Verdict {
        case ours, notOurs, unproven
    }

    /// What our records say was published, by what is known of it.
    struct Sorted: Sendable {
        /// May be deleted.
        var ours: [PublishedAttachment] = []
        /// Contradicts its record.
        var notOurs: [PublishedAttachment] = []
        /// Too little of it is kept. That is no sign of anything wrong.
        var unproven: [PublishedAttachment] = []

        /// What is to be said of what stays: of what contradicts its record first.
        /// - Parameter signatures: those that stay with it.
        func left(on target: Target, with signatures: [PublishedAttachment]) -> Failure? {
            notOurs.first?.isNotOurs(target, with: signatures) ?? unproven.first?.isUnproven(target, with: signatures)
        }
    }

    func sorted(_ bundles: [PublishedAttachment], on target: Target) async throws -> Sorted {
        var sorted = Sorted()
        for bundle in bundles {
            switch try await verdict(on: bundle, target) {
            case .ours: sorted.ours.append(bundle)
            case .notOurs: sorted.notOurs.append(bundle)
            case .unproven: sorted.unproven.append(bundle)
            }
        }
        return sorted
    }

    private func verdict(on attachment: PublishedAttachment, _ target: Target) async throws -> Verdict {
        guard attachment.format == .bundle, attachment.digest.matches(attachment.manifest) else { return .notOurs }
        if let json = attachment.bundle { return isOurs(attachment, json, on: target) ? .ours : .notOurs }
        // its bundle is too large to be stored
        guard let kept = try await KeptAttestation(attachment, on: target, in: journal) else { return .unproven }
        do {
            for identity in signers.identities {
                let signer = Signer(identity: identity, services: .none, trust: signers.trust.current)
                if try await kept.isOurs(attachment, on: target, as: signer) { return .ours }
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
    fileprivate static var none: SigningServices { SigningServices(logs: [], authorities: []) }
}

extension PublishedAttachment {
    fileprivate func isNotOurs(_ target: Target, with signatures: [PublishedAttachment]) -> Failure {
        Failure(
            code: "deletion.not_ours", stage: SigningStage.publish.rawValue,
            observed:
                "our record of \(digest) is not a manifest of ours on \(target.digest); it was not deleted"
                + Self.staying(signatures),
            fix: "somebody changed the table attachment: look who can write to the database")
    }

    fileprivate func isUnproven(_ target: Target, with signatures: [PublishedAttachment]) -> Failure {
        Failure(
            code: "deletion.unproven", stage: SigningStage.publish.rawValue,
            observed:
                "\(digest) on \(target.digest) carries a document that is not kept any more, so that nothing shows "
                + "that it is ours; it was not deleted" + Self.staying(signatures),
            fix: "delete that manifest by hand, then revoke again")
    }

    private static func staying(_ signatures: [PublishedAttachment]) -> String {
        guard !signatures.isEmpty else { return "" }
        return
            ", and with it stays the signature: the registry goes on listing the document, which cosign would take for one"
    }
}
