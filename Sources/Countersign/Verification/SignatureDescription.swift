package import FoundationEssentials
import OpenSSL
import Sigstore

/// What one signature or attestation says of itself: who, when, where in the log. Read, not believed, unless
/// ``verified`` says otherwise.
package struct SignatureDescription: Encodable, Sendable {
    /// A log entry as the signature presents it.
    package struct Entry: Encodable, Sendable {
        package let logIndex: Int64
        package let logId: String
        /// Kind and version of the body, such as `dsse 0.0.1`.
        package let kind: String
        /// The log's own time; nil for Rekor v2, which has none.
        package let integratedAt: Date?
        /// RFC 6962 hash of the body; with the tree's id in front it is Rekor v1's uuid.
        package let leafHash: String
        /// Whose tree the presented inclusion proof leads to, and its size; nil without a proof.
        package let checkpointOrigin: String?
        package let treeSize: Int64?
        /// Whether the log's signed promise (SET) is there.
        package let hasInclusionPromise: Bool
    }

    /// A timestamp as the signature presents it.
    package struct Timestamp: Encodable, Sendable {
        package let time: Date
        /// The authority's certificate's subject, where the token brings it.
        package let authority: String?
        package let policy: String
        package let serialNumber: String
        package let digestAlgorithm: String
    }

    /// Where it was found: `host/repository@referrer`, `host/repository:tag layer digest`, or a file's name.
    package let location: String
    /// `bundle 0.3`, `legacy signature`, `legacy attestation`.
    package let format: String
    package let predicateType: String?
    /// Digests that it is about, at most ``shownSubjects``; ``subjectCount`` says how many there are.
    package let subjects: [String]
    package let subjectCount: Int
    /// What the signer wrote beside the first subject, or in the older format's `optional`.
    package let annotations: [String: String]
    /// Nil for a signature by a key, and for a certificate that cannot be read (``problems``).
    package let certificate: CertificateDescription?
    /// For a key: the hint that the bundle gives. Nobody authenticates it.
    package let keyHint: String?
    package let tlogEntries: [Entry]
    package let timestamps: [Timestamp]
    /// What of it cannot be read, and why: it is missing above.
    package let problems: [String]
    /// Whether it verifies against the trust material that was given, whoever signed; nil: nothing was given that it could
    /// be held against.
    package var verified: Bool?
    /// Why it does not verify; or why it was not judged, although others were.
    package var refusal: String?

    package static let shownSubjects = 16

    /// A signature that was fetched from a registry.
    package init(_ fetched: FetchedSignature) {
        self.init(fetched.form, at: fetched.attached.location.description)
    }

    /// A signature in the form of its format.
    package init(_ form: PresentedForm, at location: String) {
        self.location = location
        var problems: [String] = []
        let entries = form.entries
        let stamps: [[UInt8]]
        switch form {
        case .bundle(let bundle):
            format = "bundle \(bundle.version.rawValue)"
            stamps = bundle.timestamps
            switch bundle.material {
            case .certificate(let der):
                let read = Self.read(&problems, "certificate") { () throws(CryptoError) in try Certificate(der: der) }
                (certificate, keyHint) = (read.map(CertificateDescription.init), nil)
            case .publicKey(let hint): (certificate, keyHint) = (nil, hint)
            }
        case .legacy(let legacy):
            format = "legacy \(legacy.isAttestation ? "attestation" : "signature")"
            stamps = legacy.timestamp.map { [$0] } ?? []
            (certificate, keyHint) = (legacy.certificate.map(CertificateDescription.init), nil)
        }
        let claim = Claim(form, &problems)
        predicateType = claim.predicateType
        subjects = Array(claim.subjects.prefix(Self.shownSubjects))
        subjectCount = claim.subjects.count
        annotations = claim.annotations
        timestamps = stamps.compactMap { der in
            let answer = Self.read(&problems, "timestamp") { () throws(CryptoError) in try TimestampResponse(der: der) }
            if let answer, answer.token == nil { problems.append("timestamp: an answer without one") }
            return answer?.token
        }.map(Timestamp.init)
        for entry in entries {
            guard let note = entry.inclusionProof?.checkpoint, !note.isEmpty else { continue }
            _ = Self.read(&problems, "checkpoint") { () throws(SigstoreError) in try Checkpoint(note: note) }
        }
        tlogEntries = entries.map(Entry.init)
        self.problems = problems
    }

    /// What can be read; what cannot is a problem, and nil.
    private static func read<Value, Failure: Error>(
        _ problems: inout [String], _ what: String, _ body: () throws(Failure) -> Value
    ) -> Value? {
        do throws(Failure) {
            return try body()
        } catch {
            problems.append("\(what): \((error as? SigstoreError)?.observed ?? "\(error)")")
            return nil
        }
    }

    /// What is said of which artifacts.
    private struct Claim {
        var predicateType: String?
        var subjects: [String] = []
        var annotations: [String: String] = [:]

        init(_ form: PresentedForm, _ problems: inout [String]) {
            if case .legacy(let legacy) = form, case .payload(let bytes, _) = legacy.content {
                let payload = SignatureDescription.read(&problems, "document") { () throws(SigstoreError) in
                    try SimpleSigningPayload(json: bytes)
                }
                guard let payload else { return }
                predicateType = Statement.cosignSignPredicateType
                (subjects, annotations) = (["\(payload.manifestDigest)"], payload.optional ?? [:])
                return
            }
            // how much is read was decided when the envelope was
            guard let payload = form.payload else { return }
            let statement = SignatureDescription.read(&problems, "statement") { () throws(SigstoreError) in
                try Statement(json: payload, limits: UnverifiedBundle.attestationLimits)
            }
            guard let statement else { return }
            predicateType = statement.predicateType
            subjects = statement.subjects.flatMap { subject in
                subject.digest.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
            }
            annotations = statement.subjects.first?.annotations ?? [:]
        }
    }
}

extension LegacySignature {
    fileprivate var isAttestation: Bool { if case .envelope = content { true } else { false } }
}

extension SignatureDescription.Entry {
    fileprivate init(_ entry: TlogEntry) {
        logIndex = entry.logIndex
        logId = Hex.encode(entry.logID)
        kind = "\(entry.kind) \(entry.version)"
        integratedAt = entry.integratedTime > 0 ? Date(timeIntervalSince1970: Double(entry.integratedTime)) : nil
        leafHash = Hex.encode(Merkle.leafHash(entry.canonicalizedBody))
        checkpointOrigin = entry.inclusionProof.flatMap { try? Checkpoint(note: $0.checkpoint).origin }
        treeSize = entry.inclusionProof?.treeSize
        hasInclusionPromise = entry.inclusionPromise != nil
    }
}

extension SignatureDescription.Timestamp {
    fileprivate init(_ token: TimestampToken) {
        time = token.time
        authority = token.certificates.first?.subject
        policy = token.policy
        serialNumber = Hex.encode(token.serialNumber)
        digestAlgorithm = "\(token.digestAlgorithm)"
    }
}
