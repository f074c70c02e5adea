import FoundationEssentials
import OCI
import OpenSSL
package import Sigstore

/// Evidence whose log entry is known and that was verified in this attempt, in the form in which it is published.
package struct LoggedEvidence: Sendable {
    package let evidence: Evidence
    package let verified: VerifiedSignature
    let entry: TlogEntry
    let artefact: Artefact

    /// What is put beside the image.
    enum Artefact: Sendable {
        /// A referrer manifest with the bundle as its only layer.
        case referrer(BundleReferrer, bundle: [UInt8])
        /// The same around a bundle that is not held, nor stored: its document is.
        case streamed(BundleReferrer, bundle: StreamedBlob)
        /// One layer more under the legacy tag.
        case layer(LegacyLayer)
    }

    init(evidence: Evidence, verified: VerifiedSignature, entry: TlogEntry, artefact: Artefact) {
        self.evidence = evidence
        self.verified = verified
        self.entry = entry
        self.artefact = artefact
    }

    /// Stored evidence of an earlier attempt, verified again; nil if the log's answer is not stored yet.
    init?(_ stored: Evidence, _ order: SigningOrder, _ signer: Signer) throws {
        guard let logged = stored.logged, let attachment = stored.attachment else { return nil }
        do {
            let artefact: Artefact
            let presented: PresentedForm
            switch stored.format {
            case .bundle:
                guard let bundle = logged.bundle else { throw SigningError.evidenceUnusable("no bundle") }
                let referrer = try BundleReferrer(manifest: attachment.manifest, bundle: bundle)
                try referrer.belongs(to: order.target.digest)
                artefact = .referrer(referrer, bundle: bundle)
                presented = .bundle(try UnverifiedBundle(json: bundle))
            case .legacy:
                let layer = try LegacyLayer(
                    json: attachment.manifest, payload: Self.legacyPayload(stored.prepared, order.content.kind))
                artefact = .layer(layer)
                presented = .legacy(try LegacySignature(layer))
            }
            let verified = try signer.verify(
                presented, order.content.predicateType, for: order.target.digest, in: order.target.repository)
            let entry = try TlogEntry(json: logged.entry)
            try verified.holds(entry)
            self.init(evidence: stored, verified: verified, entry: entry, artefact: artefact)
        } catch let error as VerificationError {
            // it verified when it was stored: the trust root, the identity or the row has changed since
            throw SigningError.ownOutputRejected(
                code: error.code, observed: "the stored \(stored.format.rawValue): \(error.observed)",
                remedy: error.remedy)
        } catch let error as OCIError {
            // of our own row, not of the artifact: it must not end as the artifact's fault
            throw SigningError.evidenceUnusable("\(error)")
        } catch SigstoreError.malformed(let what, let why) {
            throw SigningError.evidenceUnusable("\(what): \(why)")
        }
    }

    /// A legacy layer's blob: the signed document, for an attestation in its envelope.
    private static func legacyPayload(_ prepared: Evidence.Prepared, _ kind: LegacyKind) -> [UInt8] {
        switch kind {
        case .signature: prepared.payload
        case .attestation:
            Envelope(
                payload: prepared.payload, payloadType: Statement.payloadType,
                signatures: [.init(sig: prepared.signature)]
            ).encoded()
        }
    }

    /// The facts that the status API shows.
    /// - Parameter manifest: the manifest in which the registry was seen to serve it.
    func record(_ order: SigningOrder, manifest: Digest, policyVersion: String) -> SignedRecord {
        let (identity, issuer) =
            switch verified.signer {
            case .certificate(let identity, let issuer, _): (identity, issuer)
            case .publicKey(let key): ("key:\(key.hint)", "")
            }
        // of what was adopted there is no request
        let madeAt = evidence.prepared.logRequest.isEmpty ? evidence.logged?.integratedAt ?? verified.time : nil
        return SignedRecord(
            identity: identity, issuer: issuer, logID: Hex.encode(entry.logID), logIndex: entry.logIndex,
            logUUID: entry.uuid, integratedAt: evidence.logged?.integratedAt, referrer: manifest, rule: order.rule.name,
            policyVersion: policyVersion, formats: order.formats,
            signedAt: madeAt)
    }
}

extension LoggedEvidence.Artefact {
    /// Renders what is verified, once: pushed again it is the same bytes.
    init(
        _ presented: PresentedForm, _ verified: VerifiedSignature, subject: Descriptor, predicateType: String
    ) throws {
        switch presented {
        case .bundle(let bundle):
            let json = try bundle.json()
            // a key's signature may have no date of its own; then the manifest has none that could differ next time
            self = .referrer(
                BundleReferrer.render(
                    bundle: json, subject: subject, predicateType: predicateType,
                    created: verified.time ?? Date(timeIntervalSince1970: 0)),
                bundle: json)
        case .legacy(let legacy):
            self = .layer(
                LegacyLayer(
                    mediaType: legacy.layerMediaType, payload: legacy.layer, annotations: legacy.annotations))
        }
    }

    /// What is stored of it.
    var attachment: Evidence.Attachment {
        switch self {
        case .referrer(let referrer, _), .streamed(let referrer, _):
            Evidence.Attachment(
                manifest: referrer.manifest, mediaType: MediaType.ociManifest, digest: referrer.descriptor.digest)
        case .layer(let layer):
            Evidence.Attachment(
                manifest: layer.encoded(), mediaType: layer.descriptor.mediaType, digest: layer.descriptor.digest)
        }
    }

    /// The bundle's bytes, as they are stored; nil for the legacy format, and for a bundle that is not held.
    var bundle: [UInt8]? { if case .referrer(_, let bundle) = self { bundle } else { nil } }
}

extension LegacySignature {
    /// Reads a layer with its annotations.
    init(_ layer: LegacyLayer) throws(SigstoreError) {
        try self.init(
            layerMediaType: layer.descriptor.mediaType, payload: layer.payload,
            annotations: layer.descriptor.annotations ?? [:])
    }
}

extension Evidence.Logged {
    /// What is stored of an entry and the bundle that carries it.
    init(_ entry: TlogEntry, bundle: [UInt8]?) {
        self.init(
            entry: entry.encoded(), logID: Hex.encode(entry.logID), logIndex: entry.logIndex, logUUID: entry.uuid,
            integratedAt: entry.provenTime, bundle: bundle)
    }
}
