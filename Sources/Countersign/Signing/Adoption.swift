import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

/// A signature that is already there: after the loss of our database, or of a row in it, what verifies under our own
/// identity and for this repository is recorded instead of signed a second time.
///
/// What is not ours does not matter here: it may be anybody's, and broken ones are nobody's fault of ours.
struct Adoption: Sendable {
    let journal: Journal
    let signer: Signer

    /// For each format the first signature that we would have published, recorded as the target's evidence.
    func adopt(
        _ formats: [SignatureFormat], for order: SigningOrder
    ) async throws -> [SignatureFormat: Evidence] {
        var adopted: [SignatureFormat: Evidence] = [:]
        for format in formats {
            let found =
                switch format {
                case .bundle: try await bundle(order)
                case .legacy: try await layer(order)
                }
            guard let found else { continue }
            let evidence = try await journal.adopt(
                found.prepared, found.logged, attachment: found.attachment, for: order.claim)
            // it is there: what follows looks at it and does not write it again
            try await journal.published(evidence, for: order.claim)
        }
        guard !formats.isEmpty else { return adopted }
        // what was stored before stands, also over what was found
        adopted = try await journal.liveEvidence(of: order.target)
        return adopted
    }

    private struct Found {
        let prepared: Evidence.Prepared
        let logged: Evidence.Logged
        let attachment: Evidence.Attachment
    }

    private func bundle(_ order: SigningOrder) async throws -> Found? {
        let name = order.place.repository.name
        let listed: AttachedBundles
        do { listed = try await order.place.registry.bundles(name, of: order.target.digest) } catch .tooLarge {
            return nil  // more referrers than anybody reads: whoever listed them must not keep the image unsigned
        }
        for candidate in listed.bundles {
            guard let bundle = try? UnverifiedBundle(json: candidate.bytes), isOurs(.bundle(bundle), order),
                case .envelope(let envelope) = bundle.content, let entry = Self.named(bundle.tlogEntries.first)
            else { continue }
            let manifest = try await order.place.registry.manifest(name, candidate.manifest.digest)
            // the bundle is ours, the manifest around it is anybody's: it must be one that we could push again
            guard manifest.subject?.digest == order.target.digest,
                (try? BundleReferrer(manifest: manifest.bytes, bundle: candidate.bytes)) != nil
            else { continue }
            var chain: [[UInt8]] = []
            if case .certificate(let leaf) = bundle.material { chain = [leaf] }
            return Found(
                prepared: try prepared(
                    .bundle, payload: envelope.payload, signature: bundle.content.signature, chain: chain,
                    timestamp: bundle.timestamps.first, order, subjects: Self.subjects(of: envelope)),
                logged: Evidence.Logged(entry, bundle: candidate.bytes),
                attachment: Evidence.Attachment(
                    manifest: manifest.bytes, mediaType: manifest.descriptor.mediaType,
                    digest: manifest.descriptor.digest))
        }
        return nil
    }

    /// The most layers of others that are fetched to find one of ours.
    private static let layerLimit = 64
    /// The most bytes of one.
    private static let payloadLimit = 16 << 20

    private func layer(_ order: SigningOrder) async throws -> Found? {
        for descriptor in try await promisingLayers(order) {
            guard let payload = try await payload(of: descriptor, order.place) else { continue }
            let layer = LegacyLayer(
                mediaType: descriptor.mediaType, payload: payload, annotations: descriptor.annotations ?? [:])
            guard let legacy = try? LegacySignature(layer), isOurs(.legacy(legacy), order),
                let entry = Self.named(legacy.entry)
            else { continue }
            return Found(
                prepared: try prepared(
                    .legacy, payload: Self.signed(legacy), signature: legacy.signature,
                    chain: legacy.certificate.map { [$0.der] } ?? [], timestamp: legacy.timestamp, order),
                logged: Evidence.Logged(entry, bundle: nil),
                attachment: Evidence.Attachment(
                    manifest: layer.encoded(), mediaType: descriptor.mediaType, digest: descriptor.digest))
        }
        return nil
    }

    /// Layers under the tag that name us; none if there are more than anybody reads.
    private func promisingLayers(_ order: SigningOrder) async throws(OCIError) -> [Descriptor] {
        let (place, subject) = (order.place, order.target.digest)
        do {
            let layers = try await place.registry.legacyLayers(
                order.content.kind, of: subject, in: place.repository.name)
            return Array(layers.filter { isPromising($0) }.prefix(Self.layerLimit))
        } catch .tooLarge {
            return []
        }
    }

    private static func signed(_ legacy: LegacySignature) -> [UInt8] {
        switch legacy.content {
        case .payload(let bytes, _): bytes
        case .envelope(let envelope): envelope.payload
        }
    }

    /// A layer's blob; nil if it is not there or not what the manifest says.
    private func payload(of layer: Descriptor, _ place: SignaturePlace) async throws(OCIError) -> [UInt8]? {
        do {
            return try await place.registry.blob(place.repository.name, layer.digest, limit: Self.payloadLimit)
        } catch {
            switch error {
            case .notFound, .tooLarge, .digestMismatch: return nil
            default: throw error
            }
        }
    }

    /// Whether a layer's annotations name us: anybody may have signed, and each look at a payload is a request.
    private func isPromising(_ layer: Descriptor) -> Bool {
        let pem = layer.annotations?["dev.sigstore.cosign/certificate"] ?? ""
        switch signer.identity.means {
        case .key: return pem.isEmpty
        case .keyless(_, let expected):
            guard let leaf = try? Certificate(pem: pem), let certificate = try? SigningCertificate(chain: [leaf]) else {
                return false
            }
            return certificate.identity == expected.subjectAlternativeName && certificate.issuer == expected.issuer
        }
    }

    private func isOurs(_ presented: PresentedForm, _ order: SigningOrder) -> Bool {
        let verified = try? signer.verify(
            presented, order.content.predicateType, for: order.target.digest, in: order.target.repository)
        guard order.content.kind == .attestation || order.target.generation > 0 else { return verified != nil }
        // an SBOM of last week is ours, too, and so is the signature that this one is to replace; only this very document,
        // which says its generation, is the one that is being signed
        if presented.payload == order.content.document(presented.format).payload { return verified != nil }
        // or a group's statement, which says the generation of each of its subjects
        return order.content.kind == .signature && (verified?.statement?.subjects.count ?? 0) > 1
            && verified?.annotations[Statement.generationAnnotation] == "\(order.target.generation)"
    }

    /// A signature does not carry Rekor's name for its entry; the leaf hash is the part of it that finds the entry.
    private static func named(_ entry: TlogEntry?) -> TlogEntry? {
        guard var named = entry else { return nil }
        named.uuid = named.uuid ?? Hex.encode(Merkle.leafHash(named.canonicalizedBody))
        return named
    }

    /// The parts of a published signature as evidence. The request is not known any more and not needed: the entry is there.
    private func prepared(
        _ format: SignatureFormat, payload: [UInt8], signature: [UInt8], chain: [[UInt8]], timestamp: [UInt8]?,
        _ order: SigningOrder, subjects: Int = 1
    ) throws -> Evidence.Prepared {
        Evidence.Prepared(
            format: format, payload: payload, signature: signature, certificateChain: chain, certificateNotAfter: nil,
            timestampToken: timestamp, log: try signer.services.log(for: format, of: order.rule).id, logRequest: [],
            subjects: subjects)
    }

    /// How many artifacts a verified statement is about.
    private static func subjects(of envelope: Envelope) -> Int {
        (try? Statement(json: envelope.payload, limits: UnverifiedBundle.attestationLimits).subjects.count) ?? 1
    }
}
