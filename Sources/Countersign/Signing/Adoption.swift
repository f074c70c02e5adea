import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

/// A signature that is already there: after the loss of our database, or of a row in it, what verifies under our own
/// identity and for this repository is recorded instead of signed a second time.
struct Adoption: Sendable {
    let journal: Journal
    let registry: RegistryClient
    let signer: KeylessSigner

    /// The first referrer of the target that we would have published, recorded as the target's evidence; nil if there is none.
    ///
    /// Referrers that are not ours do not matter here: they may be anybody's, and broken ones are nobody's fault of ours.
    func adopt(for target: Target, _ claim: Claim) async throws -> LoggedEvidence? {
        let found: AttachedBundles
        do { found = try await registry.bundles(target.repository.name, of: target.digest) } catch .tooLarge {
            return nil  // more referrers than anybody reads: whoever listed them must not keep the image unsigned
        }
        for candidate in found.bundles {
            guard let bundle = try? UnverifiedBundle(json: candidate.bytes),
                (try? signer.verify(bundle, for: target.digest, in: target.repository)) != nil,
                let prepared = Self.prepared(bundle, log: signer.log.id),
                let entry = Self.named(bundle.tlogEntries.first)
            else { continue }
            let manifest = try await registry.manifest(target.repository.name, candidate.manifest.digest)
            // the bundle is ours, the manifest around it is anybody's: it must be one that we could push again
            guard manifest.subject?.digest == target.digest,
                (try? BundleReferrer(manifest: manifest.bytes, bundle: candidate.bytes)) != nil
            else { continue }
            let attachment = Evidence.Attachment(
                manifest: manifest.bytes, mediaType: manifest.descriptor.mediaType, digest: manifest.descriptor.digest)
            let evidence = try await journal.adopt(
                prepared, Evidence.Logged(entry, bundle: candidate.bytes), attachment: attachment, for: claim)
            // it is there: what follows looks at it and does not write it again
            try await journal.published(evidence, for: claim)
            // what was stored before stands, also over what was found
            guard let stored = try await journal.evidence(of: target) else {
                throw QueueError.leaseLost(jobID: claim.jobID)
            }
            return try await LoggedEvidence(stored, target, signer)
        }
        return nil
    }

    /// A bundle does not carry Rekor's name for its entry; the leaf hash is the part of it that finds the entry.
    private static func named(_ entry: TlogEntry?) -> TlogEntry? {
        guard var named = entry else { return nil }
        named.uuid = named.uuid ?? Hex.encode(Merkle.leafHash(named.canonicalizedBody))
        return named
    }

    /// The parts of a published bundle as evidence. The request is not known any more and not needed: the entry is there.
    private static func prepared(_ bundle: UnverifiedBundle, log: String) -> Evidence.Prepared? {
        guard case .certificate(let leaf) = bundle.material, case .envelope(let envelope) = bundle.content,
            let signature = envelope.signatures.first?.sig
        else { return nil }
        return Evidence.Prepared(
            payload: envelope.payload, signature: signature, certificateChain: [leaf], certificateNotAfter: nil,
            timestampToken: bundle.timestamps.first, log: log, logRequest: [])
    }
}
