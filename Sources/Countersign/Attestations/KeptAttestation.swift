import OCI
import Sigstore

/// What is still kept of a document that was published without being held, as far as it is needed to show whose it is.
struct KeptAttestation: Sendable {
    private let evidence: Evidence
    private let entry: TlogEntry
    private let statement: StreamedStatement

    /// - Returns: nil where too little is kept by now to render it once more.
    init?(_ attachment: PublishedAttachment, on artifact: Target, in journal: Journal) async throws {
        let target = Target(
            id: attachment.targetID, repositoryID: artifact.repositoryID, repository: artifact.repository,
            digest: artifact.digest)
        let records = AttestationRecords(pool: journal.pool)
        guard let evidence = try await journal.liveEvidence(of: target)[.bundle], evidence.id == attachment.evidenceID,
            let entry = try? evidence.logged.map({ try TlogEntry(json: $0.entry) }),
            let attestation = try await records.attestation(of: target), let document = attestation.document.id
        else { return nil }
        self.evidence = evidence
        self.entry = entry
        statement = StreamedStatement(
            head: evidence.prepared.payload, of: attestation, document, in: DocumentStore(pool: journal.pool))
    }

    /// Whether the manifest carries exactly this: a statement about the artifact in its repository, signed and logged as
    /// `signer`. The document is read twice for it, and never held.
    func isOurs(
        _ attachment: PublishedAttachment, on artifact: Target, as signer: Signer
    ) async throws -> Bool {
        guard statement.isAbout(artifact, nil) else { return false }
        let digest = try await statement.messageDigest()
        guard let (bundle, _) = try? signer.verify(evidence.prepared, entry, over: digest) else { return false }
        let blob = try await statement.blob(of: bundle)
        let referrer = try? BundleReferrer(manifest: attachment.manifest, digest: blob.digest, size: blob.size)
        return (try? referrer?.belongs(to: artifact.digest)) != nil
    }
}
