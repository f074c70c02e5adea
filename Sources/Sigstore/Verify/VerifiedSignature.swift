public import FoundationEssentials
public import OpenSSL

/// A signature that passed every check, whether it came as a bundle or in the older format; only ``Verifier`` makes one.
///
/// It says what was checked against what: ``steps``, numbered as in the Sigstore client specification.
public struct VerifiedSignature: Sendable {
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

    /// How it was presented.
    public enum Source: Sendable {
        /// A Sigstore bundle.
        case bundle(UnverifiedBundle)
        /// A layer of a `.sig` or `.att` manifest.
        case legacy(LegacySignature)
    }

    /// What the signer said of the artifact.
    public enum Claim: Sendable {
        /// An in-toto statement that has it as a subject: of several with its digest the one that is approved for the
        /// repositories that were asked about, else the first.
        case statement(Statement, about: Statement.Subject)
        /// A simple signing document that names it.
        case payload(SimpleSigningPayload)
        /// Nothing: the signature is over the artifact itself.
        case artifact
    }

    /// What was verified.
    public let source: Source
    /// The artifact it was verified for.
    public let artifact: ArtifactDigest
    /// What was said of it.
    public let claim: Claim
    /// Who signed.
    public let signer: Signer
    /// The log entries, all verified; empty only for a key's signature that was allowed to have none.
    public let tlogEntries: [TlogEntry]
    /// Every trusted observation, timestamp authorities first; empty only for a key's signature.
    public let times: [ObservedTime]
    /// Every check that was made, in order.
    public let steps: [VerificationStep]
    /// What a careful reader should know although it verified: a pattern without anchors, a log not asked for.
    public let warnings: [String]
}

extension VerifiedSignature {
    /// The statement; nil for the older format's image signatures and for signatures over the artifact itself.
    public var statement: Statement? { if case .statement(let statement, _) = claim { statement } else { nil } }
    /// The simple signing document of an older image signature.
    public var payload: SimpleSigningPayload? { if case .payload(let payload) = claim { payload } else { nil } }
    /// The bundle, if it came as one.
    public var bundle: UnverifiedBundle? { if case .bundle(let bundle) = source { bundle } else { nil } }
    /// The first log entry.
    public var tlogEntry: TlogEntry? { tlogEntries.first }
    /// The time to use: the first of ``times``; a certificate's signature always has one.
    public var time: Date? { times.first?.time }
    /// One line per check: what was compared with what.
    public var checks: [String] { steps.map(\.description) }
    /// The certificate's identity; empty for a key.
    public var identity: String { if case .certificate(let identity, _, _) = signer { identity } else { "" } }
    /// The certificate's issuer; empty for a key.
    public var issuer: String { if case .certificate(_, let issuer, _) = signer { issuer } else { "" } }
    /// The certificate; nil for a key.
    public var certificate: Certificate? {
        if case .certificate(_, _, let certificate) = signer { certificate } else { nil }
    }
    /// What kind of claim was made: the statement's predicate type; `https://sigstore.dev/cosign/sign/v1` for the older
    /// image signatures, which say the same; nil for a signature over the artifact itself.
    public var predicateType: String? {
        switch claim {
        case .statement(let statement, _): statement.predicateType
        case .payload: Statement.cosignSignPredicateType
        case .artifact: nil
        }
    }
    /// The signer's free text about the artifact: annotations of the subject, or the older format's `optional`.
    public var annotations: [String: String] {
        switch claim {
        case .statement(_, let subject): subject.annotations
        case .payload(let payload): payload.optional ?? [:]
        case .artifact: [:]
        }
    }
}
