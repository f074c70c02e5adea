public import OpenSSL

/// What is entered in a log: one signature, and whose.
public struct LogSubmission: Sendable {
    /// What was signed.
    public enum Content: Sendable {
        /// A DSSE envelope of one signature. Rekor v1 takes it as `dsse` 0.0.1, Rekor v2 as `hashedrekord` 0.0.2 over the
        /// digest of its pre-authentication encoding.
        case envelope(Envelope)
        /// The digest of the signed bytes, of the kind that the key signs over (SHA-256 unless it is P-384 or P-521),
        /// and the signature. `hashedrekord` in both logs.
        case message(digest: [UInt8], signature: [UInt8])
    }

    /// What the signature is verified with.
    public enum Signer: Sendable {
        /// The key of this certificate.
        case certificate(Certificate)
        /// This key.
        case publicKey(PublicKey)

        /// The key.
        public var key: PublicKey {
            switch self {
            case .certificate(let certificate): certificate.publicKey
            case .publicKey(let key): key
            }
        }

        var pem: String {
            switch self {
            case .certificate(let certificate): certificate.pem
            case .publicKey(let key): key.pem
            }
        }
    }

    /// What was signed.
    public let content: Content
    /// Whose signature it is.
    public let signer: Signer

    /// A signature and its signer.
    public init(_ content: Content, by signer: Signer) {
        self.content = content
        self.signer = signer
    }
}

/// A log that signatures are entered in.
///
/// The request is made once, stored, and then submitted byte for byte, as often as it takes: a log that has it already
/// answers with the entry it has, so a lost answer never leads to a second entry.
public protocol TransparencyLog: Sendable {
    /// A stable name of the log, for records: its URL.
    var id: String { get }

    /// The API that it speaks.
    var api: RekorAPI { get }

    /// The exact bytes to submit. Pure: nothing is sent.
    func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8]

    /// Enters the request, or finds the entry that it already made; checks that the entry is the request's.
    /// - Throws: ``SigstoreError``; with `answerMayBeLost` the entry may exist: submit the same bytes again.
    func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry

    /// The entry that the request made, or nil if the log has none. Writes nothing.
    /// - Throws: ``SigstoreError/unsupported(_:)`` for a log that cannot be asked by content: there ``submit(_:)`` is the
    ///   look-up, since the answer to a known request is its entry.
    func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry?
}

extension TransparencyLog {
    /// Whether entries carry a time of the log's own, which must then lie in the certificate's life. If not, a timestamp
    /// authority must say when the signature was made, and a request may be submitted at any time.
    public var datesEntries: Bool { api.datesEntries }
}
