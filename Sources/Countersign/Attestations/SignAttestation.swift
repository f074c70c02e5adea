import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

extension JobKind {
    /// Sign a document about a target that is signed, and attach it.
    package static let attest = JobKind(rawValue: "attest")
}

/// The line one document travels:
///
///     authorise → its artifact is signed by us? → fetch → render → the line of every signature (``EvidenceLine``)
///               → publish → supersede → settle
///
/// Nothing is ever attached to an artifact that has no signature of ours in the same format: stock cosign takes any bundle
/// beside an image for a signature, and one that finds a bundle does not look for a legacy signature any more.
struct SignAttestation: JobHandler {
    static let kind = JobKind.attest
    static let looksBack = true

    let policy: SigningPolicy
    private let registries: Registries
    let line: EvidenceLine
    let publication: Publication
    let records: AttestationRecords
    let documents: DocumentStore
    let memory: DocumentMemory
    let inlineLimit: Int
    let streamed: StreamedAttestation
    let queue: JobQueue

    /// Said of what is signed, it leaves it signed.
    static let saidBefore: Set<String> = [
        SigningPolicy.refusedCode, supersededCode, artifactRefusedCode, documentGoneCode,
    ]
    static let supersededCode = "attestation.superseded"
    static let artifactRefusedCode = "attestation.artifact_refused"
    /// It was not signed in the time that the document waits for that.
    static let noArtifactCode = "attestation.no_artifact"
    /// It was taken by a version that did not refuse it.
    static let reservedCode = "attestation.type_unknown"
    static let documentGoneCode = "attestation.document_gone"

    init(_ parts: JobParts) {
        policy = parts.policy
        registries = parts.registries
        line = EvidenceLine(parts)
        publication = Publication(journal: parts.journal, subjects: parts.subjects)
        records = parts.attestations
        documents = parts.documents
        memory = parts.memory
        inlineLimit = parts.inlineLimit
        streamed = StreamedAttestation(line: line, publication: publication)
        queue = parts.queue
    }

    /// The target's purpose names predicate type and document.
    static func takes(_ subject: Claim.Subject) -> Bool {
        subject.target.map { $0.purpose != .signature } ?? false
    }

    /// What is signed already is only looked at: that it still stands.
    func callAsFunction(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        let target = try claim.requireTarget()
        guard case .sign(let rule) = policy.decide(target.repository, tagged: nil) else {
            return .refused(
                refusal(SigningPolicy.refusedCode, "no policy rule allows signing in \(target.repository) any more"))
        }
        guard let registry = registries[target.repository] else {
            return .refused(Registries.unknown(target.repository, .authorise))
        }
        guard let attestation = try await records.attestation(of: target) else {
            return .refused(Self.documentGone)
        }
        guard attestation.type.uri != ReferencePredicate.type else {
            return .refused(refusal(Self.reservedCode, "documents of type \(attestation.type) are not signed any more"))
        }
        // also after a look that failed on the way: what is missing makes the target unsigned until it is put back
        let isSigned = attestation.status.signature != nil
        if let newer = attestation.supersededBy {
            return .refused(refusal(Self.supersededCode, "attestation \(newer) took its place"))
        }
        if !isSigned, let newer = try await records.signedReplacement(of: attestation, target) {
            return .refused(
                refusal(Self.supersededCode, "attestation \(newer) of the same type is newer and signed"))
        }
        if let outcome = try await waiting(attestation, target, rule, failures: claim.failures) { return outcome }

        let place = try registries.place(of: target.repository)
        let subject = try await trace.stage(.fetch) {
            try await registry.manifest(target.repository.name, target.digest)
        }
        if let name = try await line.journal.revokedName(of: subject, in: target) {
            return .refused(refusal(Self.artifactRefusedCode, "\(target.digest) is revoked as \(name)"))
        }
        // what is signed is known once the document is read
        var order = SigningOrder(
            target: target, subject: subject.descriptor,
            content: .attestation([], legacy: [], predicateType: attestation.type.uri), rule: rule, claim: claim,
            place: place)
        if isSigned, let record = try await stored(attestation, order, trace) { return .signed(record) }
        guard let document = attestation.document.id else { return .refused(Self.documentGone) }
        if attestation.replaces { order.superseded = try await records.replaced(by: attestation, target) }
        let record = try await memory.holding(min(attestation.document.size, inlineLimit) * 4) { [order] in
            try await sign(attestation, document, order, trace)
        }
        if attestation.replaces { try await records.supersede(by: attestation, target) }
        return .signed(record)
    }

    private func sign(
        _ attestation: AttestationRecord, _ document: Int64, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        var order = order
        let begun = try await line.journal.liveEvidence(of: order.target)[.bundle]
        let statement = StreamedStatement(
            head: Statement.head(
                subjects: [try named(attestation, order, .bundle)], predicateType: attestation.type.uri),
            of: attestation, document, in: documents)
        let form = try await AttestationForm(
            begun: begun.map { AttestationForm.Begun($0.prepared.payload) }, route: attestation.routes.values.first,
            size: attestation.document.size, limit: inlineLimit, formats: order.formats,
            isTaken: { [order] in try streamed.takes(order) }, isReadable: statement.isReadable)
        if form == .streamed { order.formats = [.bundle] }
        try await records.record(form.route, of: attestation, in: order.formats)
        switch form {
        case .streamed: return try await streamed.sign(statement, order, trace)
        case .inline: order.content = try await inline(attestation, document, order)
        case .reference:
            // unsigned: it counts for nothing until the statement with its digest is there
            let referrer = try await publication.put(artefact(attestation, order), order, trace)
            order.content = try reference(attestation, referrer, order)
        }
        return try await line.published(order, by: publication, trace)
    }

    /// The document as the predicate of the statement.
    private func inline(
        _ attestation: AttestationRecord, _ document: Int64, _ order: SigningOrder
    ) async throws -> SigningContent {
        let rendering = PredicateRendering(attestation.type.format, at: attestation.takenAt)
        var predicate = rendering.head
        try await documents.read(document) { rendering.append($0, to: &predicate) }
        predicate += rendering.tail
        func statement(_ format: SignatureFormat) throws -> [UInt8] {
            Statement.head(
                subjects: [try named(attestation, order, format)], predicateType: attestation.type.uri)
                + predicate + Statement.tail
        }
        return .attestation(
            try statement(.bundle), legacy: order.formats.contains(.legacy) ? try statement(.legacy) : [],
            predicateType: attestation.type.uri)
    }

    /// A statement that has only the digest of the document (in-toto reference predicate v0.1).
    private func reference(
        _ attestation: AttestationRecord, _ referrer: Digest, _ order: SigningOrder
    ) throws -> SigningContent {
        let predicate = ReferencePredicate(
            predicateType: attestation.type.uri, mediaType: attestation.type.format.mediaType,
            digest: attestation.document.digest.hex, size: attestation.document.size,
            location: "\(order.place.repository)@\(referrer)")
        func statement(_ format: SignatureFormat) throws -> [UInt8] {
            Statement.head(
                subjects: [try named(attestation, order, format)], predicateType: ReferencePredicate.type)
                + predicate.encoded() + Statement.tail
        }
        return .attestation(
            try statement(.bundle), legacy: try statement(.legacy), predicateType: ReferencePredicate.type)
    }

    /// Named and annotated like the artifact's own signature, so that our verifier holds it to its repository.
    private func named(
        _ attestation: AttestationRecord, _ order: SigningOrder, _ format: SignatureFormat
    ) throws -> Statement.Subject {
        let target = order.target
        let digest = try ArtifactDigest(target.digest.description)
        let repository = target.repository.description
        var annotations = [Statement.repositoryAnnotation: repository, Statement.ruleAnnotation: order.rule.name]
        // verifiers take the newest VEX for the one that counts, unless whoever sent it wanted both
        if attestation.isVEX, !attestation.replaces {
            annotations[Statement.replacesAnnotation] = Statement.replacesNothing
        }
        // a document that took its own place again: its older bundle may still be listed, and is not this one
        if target.generation > 0 { annotations[Statement.generationAnnotation] = "\(target.generation)" }
        // the formats' statements must differ, for each to have a log entry of its own
        if format == .legacy { annotations["dev.countersign/format"] = format.rawValue }
        return Statement.Subject(name: repository, digest: [digest.algorithm: digest.hex], annotations: annotations)
    }

    /// The document beside the image, as an artifact of its own.
    func artefact(_ attestation: AttestationRecord, _ order: SigningOrder) -> StreamedArtefact {
        let (document, documents) = (attestation.document, documents)
        let content = StreamedBlob(digest: document.digest, size: document.size) { part in
            guard let kept = document.id else { throw SigningError.documentLost(document.digest) }
            try await documents.read(kept, part)
        }
        return StreamedArtefact(referrer: .document(attestation.referrer(to: order.subject)), content: content)
    }

    private static let documentGone = Failure(
        code: documentGoneCode, stage: SigningStage.authorise.rawValue, observed: "the document is not kept any more",
        fix: "send it again")

    func refusal(_ code: String, _ observed: String) -> Failure {
        Failure(
            code: code, stage: SigningStage.authorise.rawValue, observed: observed,
            fix: "see the artifact's own state and the policy; then send the document again")
    }
}
