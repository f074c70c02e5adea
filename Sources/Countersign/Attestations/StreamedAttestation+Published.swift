import OCI
import OpenSSL
import Sigstore

extension StreamedAttestation {
    /// What of a published document is still kept, as far as it is needed to show whose it is.
    struct Kept: Sendable {
        let evidence: Evidence
        let entry: TlogEntry
        let statement: StreamedStatement
    }

    /// Statement and evidence of something that was published without being held; nil where too little is kept by now to
    /// render it once more.
    func kept(_ attachment: PublishedAttachment, on artifact: Target) async throws -> Kept? {
        let target = Target(
            id: attachment.targetID, repositoryID: artifact.repositoryID, repository: artifact.repository,
            digest: artifact.digest)
        let records = AttestationRecords(pool: journal.pool)
        guard let evidence = try await journal.liveEvidence(of: target)[.bundle], evidence.id == attachment.evidenceID,
            let entry = try? evidence.logged.map({ try TlogEntry(json: $0.entry) }),
            let attestation = try await records.attestation(of: target), let document = attestation.document.id
        else { return nil }
        return Kept(
            evidence: evidence, entry: entry,
            statement: StreamedStatement(
                head: evidence.prepared.payload,
                rendering: PredicateRendering(attestation.type.format, at: attestation.takenAt), document: document,
                size: attestation.document.size, documents: DocumentStore(pool: journal.pool)))
    }

    /// Whether the manifest carries exactly this: a statement about the artifact in its repository, signed and logged as
    /// `signer`. The document is read twice for it, and never held.
    func isOurs(
        _ attachment: PublishedAttachment, _ kept: Kept, on artifact: Target, as signer: Signer
    ) async throws -> Bool {
        guard kept.statement.isAbout(artifact, nil) else { return false }
        let digest = try await kept.statement.messageDigest()
        guard let (bundle, _) = try? verify(kept.evidence.prepared, kept.entry, digest, signer) else { return false }
        let blob = try await kept.statement.blob(of: bundle)
        let referrer = try? BundleReferrer(manifest: attachment.manifest, digest: blob.digest, size: blob.size)
        return (try? referrer?.belongs(to: artifact.digest)) != nil
    }
}

extension StreamedStatement {
    /// Whether it has the artifact as a subject, and approves it in its repository.
    /// - Parameter predicateType: what it must say of it; nil: anything.
    func isAbout(_ artifact: Target, _ predicateType: String?) -> Bool {
        guard let statement = try? Statement(json: head + Array("null".utf8) + Statement.tail),
            let digest = try? ArtifactDigest(artifact.digest.description)
        else { return false }
        guard predicateType == nil || statement.predicateType == predicateType else { return false }
        return statement.subjects.contains { subject in
            subject.digest[digest.algorithm] == digest.hex
                && subject.annotations[Statement.repositoryAnnotation] == artifact.repository.description
        }
    }
}
