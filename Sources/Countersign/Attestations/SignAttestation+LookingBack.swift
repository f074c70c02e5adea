import FailPoints
import OCI
import Sigstore

/// What a re-check or a repeated push looks at of an attestation that is signed.
extension SignAttestation {
    /// The look back: what our records have of it is verified anew, and put back where the registry does not serve it. The
    /// document is needed only where its bundle was too large to be stored; nothing is signed.
    /// - Returns: nil where the rule by now wants a format in which it is not signed.
    func stored(
        _ attestation: AttestationRecord, _ subject: Descriptor, _ target: Target, _ rule: PolicyConfiguration.Rule,
        _ claim: Claim, _ place: SignaturePlace, _ trace: AttemptTrace
    ) async throws -> SignedRecord? {
        let isReferred = attestation.routes.values.contains(.reference)
        var order = SigningOrder(
            target: target, subject: subject,
            content: .attestation(
                [], legacy: [], predicateType: isReferred ? ReferencePredicate.type : attestation.type.uri),
            rule: rule, claim: claim, place: place)
        let evidence = try await line.journal.liveEvidence(of: target)
        if let whole = evidence[.bundle], let logged = whole.logged, logged.bundle == nil {
            // made as a bundle alone, whatever the rule wants by now
            order.formats = [.bundle]
            return try await streamed.sign(
                try statement(whole, of: attestation), order, policyVersion: policy.version, trace)
        }
        return try await memory.holding(min(attestation.document.size, inlineLimit) * 4) { [order] in
            let published = order.formats.compactMap { evidence[$0] }.filter {
                $0.format == .bundle ? $0.logged?.bundle != nil : $0.logged != nil
            }
            guard published.count == order.formats.count else { return nil }
            var record: SignedRecord?
            for evidence in published {
                let logged = try await line.logged(evidence, order, trace)
                let manifest = try await publication.publish(logged, order, trace)
                record = record ?? logged.record(order, manifest: manifest, policyVersion: policy.version)
            }
            if isReferred, let evidence = published.first {
                try await lookAtDocument(attestation, subject, order, evidence, trace)
            }
            return record
        }
    }

    /// What was signed without being held, as it was begun.
    private func statement(_ evidence: Evidence, of attestation: AttestationRecord) throws -> StreamedStatement {
        guard let document = attestation.document.id else {
            throw SigningError.documentLost(attestation.document.digest)
        }
        return StreamedStatement(
            head: evidence.prepared.payload,
            rendering: PredicateRendering(attestation.type.format, at: attestation.takenAt), document: document,
            size: attestation.document.size, documents: documents)
    }

    /// The document beside the image, of which the statement has the digest: it is read as the registry serves it, and put back
    /// where it does not.
    private func lookAtDocument(
        _ attestation: AttestationRecord, _ subject: Descriptor, _ order: SigningOrder, _ evidence: Evidence,
        _ trace: AttemptTrace
    ) async throws {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        let document = attestation.document
        let referrer = attestation.referrer(to: subject)
        let isServed = try await trace.stage(.readBack) {
            try await registry.serves(document.digest, document.size, by: referrer.descriptor, of: subject.digest, name)
        }
        guard !isServed else { return }
        guard let kept = document.id else { throw SigningError.documentLost(document.digest) }
        try FailPoint.recordMissing.before(QueueError.injected)
        try await line.journal.missing(evidence, "the document (\(document.digest))", for: order.claim)
        try FailPoint.recordMissing.after(QueueError.injected)
        try await trace.stage(.publish) { try await upload(attestation, kept, order.place) }
        try await trace.stage(.publish) {
            try await publication.subjects.taking(order.target, at: order.place.repository, for: order.claim) {
                () async throws -> Void in
                _ = try await publish(attestation, subject: subject, order.place)
            }
        }
        try await trace.stage(.readBack) { try await registry.verifyBlob(name, document.digest, size: document.size) }
    }
}

extension AttestationRecord {
    /// The manifest that puts the document beside its image: the same bytes each time.
    func referrer(to subject: Descriptor) -> DocumentReferrer {
        let layer = Descriptor(mediaType: type.format.mediaType, digest: document.digest, size: document.size)
        return DocumentReferrer(document: layer, subject: subject, created: takenAt)
    }
}

extension RegistryClient {
    /// Whether a referrer is listed and its one layer served, read to its end without being held.
    /// - Throws: `digestMismatch` where other bytes are served.
    func serves(
        _ blob: Digest, _ size: Int, by referrer: Descriptor, of subject: Digest, _ name: String
    ) async throws(OCIError) -> Bool {
        guard try await isAttached(referrer.digest, to: subject, in: name) else { return false }
        do { try await verifyBlob(name, blob, size: size) } catch {
            guard case .notFound(let answer) = error, answer.isRegistrysOwn else { throw error }
            return false
        }
        return true
    }
}
