public import FoundationEssentials
public import OpenSSL

/// A bundle that passed every check; only ``Verifier`` makes one.
public struct VerifiedBundle: Sendable {
    /// Who signed.
    public enum Signer: Sendable {
        /// A Fulcio certificate: its identity, the issuer that vouched for it, and the certificate.
        case certificate(identity: String, issuer: String, Certificate)
        /// A key that the verifier was given.
        case publicKey(PublicKey)
    }

    /// When somebody trustworthy saw the signature.
    public struct ObservedTime: Sendable, Equatable {
        /// The time.
        public let time: Date
        /// Who saw it: a timestamp authority's or a log's URL.
        public let observer: String
        /// Whether a timestamp authority saw it, else a log.
        public let isTimestamp: Bool
    }

    /// What was verified.
    public let bundle: UnverifiedBundle
    /// The artifact it was verified for.
    public let artifact: ArtifactDigest
    /// The statement; nil for a signature over the artifact itself.
    public let statement: Statement?
    /// Who signed.
    public let signer: Signer
    /// The log entry.
    public let tlogEntry: TlogEntry
    /// Every trusted observation, timestamp authorities first.
    public let times: [ObservedTime]
    /// The time to use: the first of ``times``.
    public let time: Date
    /// One line per check: what was compared with what.
    public let checks: [String]

    /// The certificate's identity; empty for a key.
    public var identity: String { if case .certificate(let identity, _, _) = signer { identity } else { "" } }
    /// The certificate's issuer; empty for a key.
    public var issuer: String { if case .certificate(_, let issuer, _) = signer { issuer } else { "" } }
    /// The certificate; nil for a key.
    public var certificate: Certificate? {
        if case .certificate(_, _, let certificate) = signer { certificate } else { nil }
    }
}
