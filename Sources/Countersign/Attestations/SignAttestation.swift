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
        streamed = StreamedAttestation(journal: parts.journal, signers: parts.signers, subjects: parts.subjects)
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
        if isSigned, let record = try await stored(attestation, subject.descriptor, target, rule, claim, place, trace) {
            return .signed(record)
        }
        guard let document = attestation.document.id else { return .refused(Self.documentGone) }
        let superseded = attestation.replaces ? try await records.replaced(by: attestation, target) : []
        let record = try await memory.holding(min(attestation.document.size, inlineLimit) * 4) {
            try await sign(
                attestation, document, subject: subject.descriptor, target, rule, claim, place,
                superseded: superseded, trace)
        }
        if attestation.replaces { try await records.supersede(by: attestation, target) }
        return .signed(record)
    }

    private func sign(
        _ attestation: AttestationRecord, _ document: Int64, subject: Descriptor, _ target: Target,
        _ rule: PolicyConfiguration.Rule, _ claim: Claim, _ place: SignaturePlace, superseded: Set<Digest>,
        _ trace: AttemptTrace
    ) async throws -> SignedRecord {
        let isLarge = attestation.document.size > inlineLimit
        // what was begun is finished as it was begun, whatever limit and further format are set by now
        let begun = try await line.journal.liveEvidence(of: target)[.bundle]
        let isBegunWhole = begun.map { Self.isWhole($0.prepared.payload) } ?? false
        let isStreamed =
            try begun == nil ? isLarge && streamed.takes(rule) : !isBegunWhole && rule.formats.contains(.bundle)
        let streamedStatement =
            isStreamed
            ? StreamedStatement(
                head: Statement.head(
                    subjects: [try named(attestation, target, rule, .bundle)], predicateType: attestation.type.uri),
                rendering: PredicateRendering(attestation.type.format, at: attestation.takenAt),
                document: document, size: attestation.document.size, documents: documents)
            : nil
        let isWhole = try await streamedStatement?.isReadable() ?? (!isLarge || isBegunWhole)
        let route = try await records.route(
            isWhole ? .inline : .reference, of: attestation, isStreamed ? [.bundle] : rule.formats)
        if let statement = streamedStatement, route == .inline {
            var order = SigningOrder(
                target: target, subject: subject,
                content: .attestation([], legacy: [], predicateType: attestation.type.uri), rule: rule, claim: claim,
                place: place)
            (order.superseded, order.formats) = (superseded, [.bundle])
            return try await streamed.sign(statement, order, policyVersion: policy.version, trace)
        }
        let content: SigningContent
        switch route {
        case .inline: content = try await inline(attestation, document, target, rule)
        case .reference:
            // content-addressed and unsigned: it counts for nothing until the statement with its digest is there
            try await trace.stage(.publish) { try await upload(attestation, document, place) }
            let referrer = try await trace.stage(.publish) {
                try await publication.subjects.taking(target, at: place.repository, for: claim) {
                    try await publish(attestation, subject: subject, place)
                }
            }
            content = try reference(attestation, referrer, target, rule, place)
        }
        var order = SigningOrder(
            target: target, subject: subject, content: content, rule: rule, claim: claim, place: place)
        order.superseded = superseded
        var record: SignedRecord?
        for evidence in try await line.prepared(order, trace) {
            let logged = try await line.logged(evidence, order, trace)
            let manifest = try await publication.publish(logged, order, trace)
            record = record ?? logged.record(order, manifest: manifest, policyVersion: policy.version)
        }
        guard let record else { throw SigningError.noFormat(rule: rule.name) }
        return record
    }

    /// Whether a payload is a complete statement, and not the head of one whose document is elsewhere.
    private static func isWhole(_ payload: [UInt8]) -> Bool {
        (try? Statement(json: payload, limits: UnverifiedBundle.attestationLimits)) != nil
    }

    /// The document as the predicate of the statement.
    private func inline(
        _ attestation: AttestationRecord, _ document: Int64, _ target: Target, _ rule: PolicyConfiguration.Rule
    ) async throws -> SigningContent {
        let rendering = PredicateRendering(attestation.type.format, at: attestation.takenAt)
        var predicate = rendering.head
        try await documents.read(document) { rendering.append($0, to: &predicate) }
        predicate += rendering.tail
        func statement(_ format: SignatureFormat) throws -> [UInt8] {
            Statement.head(
                subjects: [try named(attestation, target, rule, format)], predicateType: attestation.type.uri)
                + predicate + Statement.tail
        }
        return .attestation(
            try statement(.bundle), legacy: rule.formats.contains(.legacy) ? try statement(.legacy) : [],
            predicateType: attestation.type.uri)
    }

    /// A statement that has only the digest of the document (in-toto reference predicate v0.1).
    private func reference(
        _ attestation: AttestationRecord, _ referrer: Digest, _ target: Target, _ rule: PolicyConfiguration.Rule,
        _ place: SignaturePlace
    ) throws -> SigningContent {
        let predicate = ReferencePredicate(
            predicateType: attestation.type.uri, mediaType: attestation.type.format.mediaType,
            digest: attestation.document.digest.hex, size: attestation.document.size,
            location: "\(place.repository)@\(referrer)")
        func statement(_ format: SignatureFormat) throws -> [UInt8] {
            Statement.head(
                subjects: [try named(attestation, target, rule, format)], predicateType: ReferencePredicate.type)
                + predicate.encoded() + Statement.tail
        }
        return .attestation(
            try statement(.bundle), legacy: try statement(.legacy), predicateType: ReferencePredicate.type)
    }

    /// Named and annotated like the artifact's own signature, so that our verifier holds it to its repository.
    private func named(
        _ attestation: AttestationRecord, _ target: Target, _ rule: PolicyConfiguration.Rule, _ format: SignatureFormat
    ) throws -> Statement.Subject {
        let digest = try ArtifactDigest(target.digest.description)
        let repository = target.repository.description
        var annotations = [Statement.repositoryAnnotation: repository, Statement.ruleAnnotation: rule.name]
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

    /// Sends the document to the registry, in pieces.
    func upload(
        _ attestation: AttestationRecord, _ document: Int64, _ place: SignaturePlace
    ) async throws {
        let (registry, name, digest) = (place.registry, place.repository.name, attestation.document.digest)
        guard try await !registry.hasBlob(name, digest) else { return }
        var upload = try await registry.beginUpload(name)
        try await documents.read(document) { part in try await registry.append(part, to: &upload) }
        try await registry.finish(upload, as: digest)
    }

    /// Puts the document beside the image as an artifact of its own.
    func publish(
        _ attestation: AttestationRecord, subject: Descriptor, _ place: SignaturePlace
    ) async throws -> Digest {
        try await place.registry.attach(attestation.referrer(to: subject), to: place.repository.name)
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
