import OCI
import OpenSSL
import Sigstore
import StrictJSON

/// A statement whose predicate stays in the database: read part by part, as often as it takes.
struct StreamedStatement: Sendable {
    /// Everything before the predicate.
    let head: [UInt8]
    let rendering: PredicateRendering
    /// The document's row, and its size.
    let document: Int64
    let size: Int
    let documents: DocumentStore

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

    /// The same document in a statement that was begun before.
    func begun(with head: [UInt8]) -> StreamedStatement {
        StreamedStatement(head: head, rendering: rendering, document: document, size: size, documents: documents)
    }

    /// The statement's bytes, in order.
    func read(_ part: (_ bytes: [UInt8]) async throws -> Void) async throws {
        try await part(head + rendering.head)
        try await documents.read(document) { bytes in
            guard rendering != .verbatim else { return try await part(bytes) }
            var rendered: [UInt8] = []
            rendering.append(bytes, to: &rendered)
            try await part(rendered)
        }
        try await part(rendering.tail + Statement.tail)
    }

    /// How long it is. A document that is taken as it is need not be read for it.
    private func length() async throws -> Int {
        // the column takes any number
        guard size <= DocumentFormat.maxBytes else {
            throw QueueError.unreadable(table: "attestation", what: "document_size \(size)")
        }
        guard rendering != .verbatim else { return head.count + size + Statement.tail.count }
        var length = 0
        try await read { length += $0.count }
        return length
    }

    /// Whether a bundle with it is one that verifiers read. Text becomes a JSON string, in which a byte may need six, and all
    /// of it base64.
    func isReadable() async throws -> Bool {
        try await length() / 3 * 4 <= UnverifiedBundle.attestationLimits.maxBytes - Self.bundleOverhead
    }

    /// The most that certificates, entry, proof and timestamp add.
    private static let bundleOverhead = 1 << 20

    /// SHA-256 of what is signed: the pre-authentication encoding of the envelope (dsse v1.0), whose payload this is.
    func messageDigest() async throws -> [UInt8] {
        var hash = SHA256Stream()
        let type = Statement.payloadType
        hash.update(Array("DSSEv1 \(type.utf8.count) \(type) \(try await length()) ".utf8))
        try await read { hash.update($0) }
        return hash.finish()
    }

    /// The bytes of a bundle with this statement in its envelope.
    /// - Parameter bundle: with an envelope of no payload.
    func bundle(
        _ bundle: UnverifiedBundle, _ part: (_ bytes: [UInt8]) async throws -> Void
    ) async throws {
        let json = try bundle.json()
        // the member is written in this form exactly once: certificates, entries and timestamps are base64
        let mark = Array(#""payload":""#.utf8)
        let starts = json.indices.filter { json[$0...].starts(with: mark) }
        guard starts.count == 1, let start = starts.first else {
            throw SigningError.evidenceUnusable("the bundle has \(starts.count) payloads")
        }
        try await part(Array(json[..<(start + mark.count)]))
        var rest: [UInt8] = []
        try await read { bytes in
            rest += bytes
            let whole = rest.count / 3 * 3
            try await part(Array(Base64.encode(Array(rest[..<whole])).utf8))
            rest.removeFirst(whole)
        }
        try await part(Array(Base64.encode(rest).utf8) + json[(start + mark.count)...])
    }

    /// That bundle as it is published.
    func blob(of bundle: UnverifiedBundle) async throws -> StreamedBlob {
        var hash = SHA256Stream()
        var size = 0
        try await self.bundle(bundle) { part in
            hash.update(part)
            size += part.count
        }
        return StreamedBlob(digest: try Digest("sha256:\(Hex.encode(hash.finish()))"), size: size) { part in
            try await self.bundle(bundle, part)
        }
    }
}

extension StreamedStatement {
    /// About the document of an attestation.
    /// - Parameter document: its row.
    init(head: [UInt8], of attestation: AttestationRecord, _ document: Int64, in documents: DocumentStore) {
        self.init(
            head: head, rendering: PredicateRendering(attestation.type.format, at: attestation.takenAt),
            document: document, size: attestation.document.size, documents: documents)
    }
}
