import FailPoints
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import StrictJSON

/// A signature that is already there: after the loss of our database, or of a row in it, what verifies under our own
/// identity and for this repository is recorded instead of signed a second time.
///
/// What is not ours does not matter here: it may be anybody's, and broken ones are nobody's fault of ours.
struct Adoption: Sendable {
    let journal: Journal
    let signer: Signer
    let policy: SigningPolicy
    let tenants: Tenants

    /// For each format the first signature that we would have published and could publish again, recorded as the target's
    /// evidence.
    func adopt(
        _ formats: [SignatureFormat], for order: SigningOrder
    ) async throws -> [SignatureFormat: Evidence] {
        var isAdopted = false
        for format in formats {
            let isFound =
                switch format {
                case .bundle: try await adoptBundle(order)
                case .legacy: try await adoptLayer(order)
                }
            isAdopted = isAdopted || isFound
        }
        guard isAdopted else { return [:] }
        // what was stored before stands, also over what was found
        return try await journal.liveEvidence(of: order.target)
    }

    private struct Found {
        let prepared: Evidence.Prepared
        let logged: Evidence.Logged
        let attachment: Evidence.Attachment
    }

    /// - Returns: whether one was recorded.
    private func adoptBundle(_ order: SigningOrder) async throws -> Bool {
        let name = order.place.repository.name
        let listed: ListedBundles
        do { listed = try await order.place.registry.bundles(name, of: order.target.digest) } catch .tooLarge {
            return false  // more referrers than anybody reads: whoever listed them must not keep the image unsigned
        }
        var look = BlobLook(place: order.place)
        for candidate in listed.bundles {
            guard let size = candidate.size(upTo: BlobLook.blobLimit),
                let json = try await look.bytes(of: candidate.digest, size: size),
                let bundle = try? UnverifiedBundle(json: json), isOurs(.bundle(bundle), order),
                case .envelope(let envelope) = bundle.content, let entry = Self.named(bundle.tlogEntries.first)
            else { continue }
            var chain: [[UInt8]] = []
            if case .certificate(let leaf) = bundle.material { chain = [leaf] }
            let signed = try prepared(
                .bundle, payload: envelope.payload, signature: bundle.content.signature, chain: chain,
                timestamps: bundle.timestamps, in: log(of: entry), order, further: further(bundle.tlogEntries),
                subjects: Self.subjects(of: envelope))
            for carrier in candidate.carriers {
                let manifest = try await order.place.registry.manifest(name, carrier.manifest.digest)
                let found = Found(
                    prepared: signed, logged: Evidence.Logged(entry, bundle: json),
                    attachment: Evidence.Attachment(
                        manifest: manifest.bytes, mediaType: manifest.descriptor.mediaType,
                        digest: manifest.descriptor.digest))
                if try await take(found, order) { return true }
            }
        }
        return false
    }

    /// The most layers of others that are fetched to find one of ours.
    private static let layerLimit = 64

    /// - Returns: whether one was recorded.
    private func adoptLayer(_ order: SigningOrder) async throws -> Bool {
        var look = BlobLook(place: order.place)
        for descriptor in try await promisingLayers(order) {
            guard let payload = try await look.bytes(of: descriptor.digest, size: descriptor.size) else { continue }
            let layer = LegacyLayer(
                mediaType: descriptor.mediaType, payload: payload, annotations: descriptor.annotations ?? [:])
            guard let legacy = try? LegacySignature(layer), isOurs(.legacy(legacy), order),
                let entry = Self.named(legacy.entry)
            else { continue }
            let found = Found(
                prepared: try prepared(
                    .legacy, payload: Self.signed(legacy), signature: legacy.signature,
                    chain: legacy.certificate.map { [$0.der] } ?? [],
                    timestamps: legacy.timestamp.map { [$0] } ?? [], in: log(of: entry), order),
                logged: Evidence.Logged(entry, bundle: nil),
                attachment: Evidence.Attachment(
                    manifest: layer.encoded(), mediaType: descriptor.mediaType, digest: descriptor.digest))
            if try await take(found, order) { return true }
        }
        return false
    }

    /// Records what was found, if it can be followed from the record: the signature is ours, but what is around it is anybody's
    /// (a manifest of another type, an envelope that was written anew), and what cannot be published again is no evidence.
    /// - Returns: false where it is to be passed over.
    private func take(_ found: Found, _ order: SigningOrder) async throws -> Bool {
        let stored = Evidence(
            id: 0, prepared: found.prepared, logged: found.logged, attachment: found.attachment, firstMissedAt: nil)
        guard (try? LoggedEvidence(stored, order, signer)) != nil else { return false }
        try FailPoint.recordAdoption.before(QueueError.injected)
        let adopted = try await journal.adopt(
            found.prepared, found.logged, attachment: found.attachment, for: order.claim)
        guard let evidence = adopted else { return false }
        try FailPoint.recordAdoption.after(QueueError.injected)
        // it is there: what follows looks at it and does not write it again
        try await journal.published(evidence, for: order.claim)
        return true
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
        let found = try? signer.verify(
            presented, order.content.predicateType, for: order.target.digest, in: order.target.repository)
        guard let verified = found, verified.statement.map({ isWithinPolicy($0, order) }) ?? true else { return false }
        guard order.content.kind == .attestation || order.target.generation > 0 else { return true }
        // an SBOM of last week is ours, too, and so is the signature that this one is to replace; only this very document,
        // which says its generation, is the one that is being signed
        if presented.payload == order.content.document(presented.format).payload { return true }
        // or a group's statement, which says the generation of each of its subjects
        return order.content.kind == .signature && (verified.statement?.subjects.count ?? 0) > 1
            && verified.annotations[Statement.generationAnnotation] == "\(order.target.generation)"
    }

    /// Whether the statement is about one artifact, or approves several that policy has in one statement now. Whoever holds our
    /// token could put another artifact beside one of ours, and stock verifiers accept the signature for both.
    private func isWithinPolicy(_ statement: Statement, _ order: SigningOrder) -> Bool {
        // two digests of one subject may be of two artifacts
        guard statement.subjects.allSatisfy({ $0.digest.count == 1 }) else { return false }
        let ours = StatementTerms(order.rule, in: order.target.repository, tenants)
        return statement.subjects.count == 1 || statement.subjects.allSatisfy { terms(of: $0) == ours }
    }

    /// On which terms policy signs in the repository that a subject is approved for; nil where it does not.
    private func terms(of subject: Statement.Subject) -> StatementTerms? {
        guard let approved = subject.annotations[Statement.repositoryAnnotation],
            let repository = try? Reference(approved).repository, repository.description == approved,
            case .sign(let rule) = policy.decide(repository, tagged: nil)
        else { return nil }
        return StatementTerms(rule, in: repository, tenants)
    }

    /// A signature does not carry Rekor's name for its entry; the leaf hash is the part of it that finds the entry. The index is
    /// recorded with it: nil if anybody can have written that.
    private static func named(_ entry: TlogEntry?) -> TlogEntry? {
        guard var named = entry, named.provesIndex else { return nil }
        named.uuid = named.uuid ?? Hex.encode(Merkle.leafHash(named.canonicalizedBody))
        return named
    }

    /// The URL of the log that made the entry, which need not be one of today's.
    private func log(of entry: TlogEntry) -> String? {
        signer.trust.trustedRoot.tlogs(withID: entry.logID).first?.baseURL
    }

    /// What a bundle brings beside its first entry, one of each log that the trusted root names.
    private func further(_ entries: [TlogEntry]) -> [Evidence.FurtherEntry] {
        var further: [Evidence.FurtherEntry] = []
        for entry in entries.dropFirst().compactMap(Self.named) {
            guard let log = log(of: entry), !further.contains(where: { $0.log == log }) else { continue }
            further.append(.init(log: log, request: [], entry: entry.encoded()))
        }
        return further
    }

    /// The parts of a published signature as evidence. The request is not known any more and not needed: the entry is there.
    private func prepared(
        _ format: SignatureFormat, payload: [UInt8], signature: [UInt8], chain: [[UInt8]], timestamps: [[UInt8]],
        in log: String?, _ order: SigningOrder, further: [Evidence.FurtherEntry] = [], subjects: Int = 1
    ) throws -> Evidence.Prepared {
        Evidence.Prepared(
            format: format, payload: payload, signature: signature, certificateChain: chain, certificateNotAfter: nil,
            timestamps: timestamps, log: try log ?? signer.services.logs(for: format, of: order.rule).first.id,
            logRequest: [], further: further, subjects: subjects)
    }

    /// How many artifacts a verified statement is about.
    private static func subjects(of envelope: Envelope) -> Int {
        (try? Statement(json: envelope.payload, limits: UnverifiedBundle.attestationLimits).subjects.count) ?? 1
    }
}

/// Blobs that others may have put there, fetched one at a time and within bounds: whoever may push lists as many as he likes,
/// and every daemon looks at each target that has no evidence.
struct BlobLook {
    /// The most bytes of one: what is read as a bundle, and more than an attestation that is put whole into what is signed
    /// has. One that is said to be larger is not fetched.
    static let blobLimit = JSONLimits().maxBytes
    /// The most bytes fetched in one look. What is listed behind that many of others is not found, and made again.
    static let budget = 64 << 20

    let place: SignaturePlace
    private var left: Int
    private var latest: (digest: OCI.Digest, bytes: [UInt8])?

    init(place: SignaturePlace, budget: Int = Self.budget) {
        self.place = place
        left = budget
    }

    /// A blob; nil if the registry says that it is not there, it is larger than it is said to be, or beyond the bounds: whoever
    /// may push can list such a thing.
    /// - Parameter size: how large it is said to be.
    /// - Throws: what nobody can push, a proxy's page or other bytes, too: it may stand for a signature of ours.
    mutating func bytes(of digest: OCI.Digest, size: Int) async throws(OCIError) -> [UInt8]? {
        // layers of one blob stand side by side: who signs an image twice signs the same document
        if let latest, latest.digest == digest { return latest.bytes }
        guard size <= Self.blobLimit, size <= left else { return nil }
        left -= size
        do {
            let bytes = try await place.registry.blob(place.repository.name, digest, limit: size)
            latest = (digest, bytes)
            return bytes
        } catch {
            switch error {
            case .notFound(let answer) where answer.isRegistrysOwn: return nil
            case .tooLarge: return nil
            default: throw error
            }
        }
    }
}
