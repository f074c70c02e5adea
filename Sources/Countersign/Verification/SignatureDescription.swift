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
    /// Nil for a signature by a key.
    package let certificate: CertificateDescription?
    /// For a key: the hint that the bundle gives. Nobody authenticates it.
    package let keyHint: String?
    package let tlogEntries: [Entry]
    package let timestamps: [Timestamp]
    /// Whether it verifies against the trust material that was given, whoever signed; nil: none was given.
    package var verified: Bool?
    /// Why it does not verify.
    package var refusal: String?

    package static let shownSubjects = 16

    /// A signature that was fetched from a registry.
    package init(_ fetched: FetchedSignature) {
        self.init(fetched.form, at: fetched.attached.location.description)
    }

    /// A signature in the form of its format.
    package init(_ form: PresentedForm, at location: String) {
        self.location = location
        let entries: [TlogEntry]
        let stamps: [[UInt8]]
        var payload: SimpleSigningPayload?
        switch form {
        case .bundle(let bundle):
            format = "bundle \(bundle.version.rawValue)"
            (entries, stamps) = (bundle.tlogEntries, bundle.timestamps)
            switch bundle.material {
            case .certificate(let der):
                certificate = (try? Certificate(der: der)).map(CertificateDescription.init)
                keyHint = nil
            case .publicKey(let hint): (certificate, keyHint) = (nil, hint)
            }
        case .legacy(let legacy):
            if case .payload(let bytes, _) = legacy.content { payload = try? SimpleSigningPayload(json: bytes) }
            format = payload == nil ? "legacy attestation" : "legacy signature"
            entries = legacy.entry.map { [$0] } ?? []
            stamps = legacy.timestamp.map { [$0] } ?? []
            certificate = legacy.certificate.map(CertificateDescription.init)
            keyHint = nil
        }
        let statement = payload == nil ? form.payload.flatMap { try? Statement(json: $0) } : nil
        predicateType = payload == nil ? statement?.predicateType : Statement.cosignSignPredicateType
        let named =
            payload.map { ["\($0.manifestDigest)"] }
            ?? (statement?.subjects ?? []).flatMap { subject in
                subject.digest.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
            }
        subjects = Array(named.prefix(Self.shownSubjects))
        subjectCount = named.count
        annotations = payload?.optional ?? statement?.subjects.first?.annotations ?? [:]
        tlogEntries = entries.map(Entry.init)
        timestamps = stamps.compactMap { try? TimestampResponse(der: $0).token }.map(Timestamp.init)
    }
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
