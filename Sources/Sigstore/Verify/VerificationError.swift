/// Why a bundle is not believed: which check, and what was seen.
public struct VerificationError: Error, Sendable, Equatable {
    /// The checks, in the order in which they are made.
    public enum Check: String, Sendable, CaseIterable {
        /// The bundle's key material is not of the kind that was asked for, or cannot be read.
        case material
        /// The signature is not over this content by this key.
        case signature
        /// The statement cannot be read, or is not one.
        case statement
        /// The older format's document cannot be read, or claims to be something else than an image signature.
        case payload
        /// The artifact is not what was signed.
        case subject
        /// The statement makes another kind of claim.
        case predicateType = "predicate_type"
        /// The approval was given for another repository.
        case repository
        /// A timestamp is not over this signature, or not by a trusted authority.
        case timestamp
        /// A signed entry timestamp is not the log's.
        case signedEntryTimestamp = "set"
        /// An entry's log is not in the trusted root, or not at that time.
        case log
        /// Nothing trustworthy says when the signature was made.
        case time
        /// The certificate does not chain to the trusted root, or not at that time.
        case chain
        /// The certificate was not valid when the signature was made.
        case certificateValidity = "certificate_validity"
        /// No trusted certificate transparency log vouches for the certificate.
        case certificateTimestamp = "sct"
        /// The certificate is someone else's.
        case identity
        /// The identity is vouched for by another issuer.
        case issuer
        /// One of Fulcio's extensions says something else than expected.
        case certificateExtension = "certificate_extension"
        /// There is no log entry.
        case tlogEntry = "tlog_entry"
        /// An entry is of another signature, certificate or artifact.
        case tlogBody = "tlog_body"
        /// An entry is not under the root it claims.
        case inclusionProof = "inclusion_proof"
        /// The root is not signed by the log.
        case checkpoint

        /// A stable name: `verify.` and the check.
        public var code: String { "verify.\(rawValue)" }
    }

    /// The check that failed.
    public let check: Check
    /// What was seen, in one line; text from outside is cut and cleaned.
    public let observed: String

    /// What to do, where it is something else than the check's usual.
    package let remedy: String?

    /// A failed check.
    public init(_ check: Check, _ observed: String, fix: String? = nil) {
        self.check = check
        self.observed = printable(observed)
        remedy = fix
    }

    /// The section of the Sigstore client specification that asks for the check.
    public var clause: String { check.clause }

    /// The check's stable name.
    public var code: String { check.code }

    /// Always `verify`.
    public var stage: String { "verify" }

    /// Verification is a pure function of bundle and trusted root: trying again changes nothing.
    public var isTransient: Bool { false }

    /// What an operator can do about it.
    public var fix: String { remedy ?? check.fix }
}

extension VerificationError.Check {
    /// What an operator can do where this check fails.
    fileprivate var fix: String {
        switch self {
        case .identity, .issuer, .certificateExtension:
            "compare the expected identity and issuer with those seen; if they are right, so is the refusal"
        case .log, .certificateTimestamp, .chain, .timestamp:
            "see that the trusted root is that of the instance that signed, and is up to date"
        case .certificateValidity:
            "a certificate that expired since would be fine: only the time of signing counts, and then this one did not "
                + "hold. Sign the artifact again, while its certificate is valid and with a right clock"
        case .tlogEntry:
            "look the signature up in the log by the artifact's digest; if the log has no entry of it, sign the artifact "
                + "again, with a log"
        case .repository: "sign the image in this repository; an approval does not travel"
        case .predicateType, .subject: "look for another signature of this artifact"
        default: "treat the signature as altered; sign the artifact again"
        }
    }
}

extension VerificationError: CustomStringConvertible {
    public var description: String { "\(code): \(observed)" }
}
