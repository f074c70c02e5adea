import OCI
import Sigstore

/// What a re-check or a repeated push looks at of an attestation that is signed.
extension SignAttestation {
    /// The look back: what our records have of it is verified anew, and put back where the registry does not serve it. The
    /// document is needed only where its bundle was too large to be stored; nothing is signed.
    /// - Returns: nil where the rule by now wants a format in which it is not signed.
    func stored(
        _ attestation: AttestationRecord, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> SignedRecord? {
        var order = order
        let isReferred = attestation.routes.values.contains(.reference)
        if isReferred { order.content = .attestation([], legacy: [], predicateType: ReferencePredicate.type) }
        let evidence = try await line.journal.liveEvidence(of: order.target)
        if let whole = evidence[.bundle], let logged = whole.logged, logged.bundle == nil {
            // made as a bundle alone, whatever the rule wants by now
            order.formats = [.bundle]
            return try await streamed.sign(try statement(whole, of: attestation), order, trace)
        }
        return try await memory.holding(min(attestation.document.size, inlineLimit) * 4) {
            [order] () async throws -> SignedRecord? in
            let published = order.formats.compactMap { evidence[$0] }.filter {
                $0.format == .bundle ? $0.logged?.bundle != nil : $0.logged != nil
            }
            guard published.count == order.formats.count else { return nil }
            let record = try await line.published(published, order, by: publication, trace)
            if isReferred, let evidence = published.first {
                try await lookAtDocument(attestation, order, evidence, trace)
            }
            return record
        }
    }

    /// What was signed without being held, as it was begun.
    private func statement(_ evidence: Evidence, of attestation: AttestationRecord) throws -> StreamedStatement {
        guard let document = attestation.document.id else {
            throw SigningError.documentLost(attestation.document.digest)
        }
        return StreamedStatement(head: evidence.prepared.payload, of: attestation, document, in: documents)
    }

    /// The document beside the image, of which the statement has the digest: it is read as the registry serves it, and put back
    /// where it does not.
    private func lookAtDocument(
        _ attestation: AttestationRecord, _ order: SigningOrder, _ evidence: Evidence, _ trace: AttemptTrace
    ) async throws {
        let (artefact, document) = (artefact(attestation, order), attestation.document)
        guard try await publication.look(for: artefact, order, trace) == nil else { return }
        guard document.id != nil else { throw SigningError.documentLost(document.digest) }
        try await publication.recordMissing("the document (\(document.digest))", of: evidence, order)
        let manifest = try await publication.put(artefact, order, trace)
        try await trace.stage(.readBack) { try await artefact.readBack(manifest, order) }
    }
}

extension AttestationRecord {
    /// The manifest that puts the document beside its image: the same bytes each time.
    func referrer(to subject: Descriptor) -> DocumentReferrer {
        let layer = Descriptor(mediaType: type.format.mediaType, digest: document.digest, size: document.size)
        return DocumentReferrer(document: layer, subject: subject, created: takenAt)
    }
}
