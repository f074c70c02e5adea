package import FoundationEssentials
package import OCI
import Sigstore

/// What stops a signing for reasons of our own (the errors of registries and Sigstore services are their modules').
package enum SigningError: Error, Sendable {
    /// The certificate names somebody else than the configuration: somebody's token, not ours.
    case identityMismatch(expected: SigningIdentity.ExpectedIdentity, seen: SigningIdentity.ExpectedIdentity)
    /// The timestamp authority's clock and Fulcio's are too far apart for any verifier.
    case clockSkew(authority: Date, notBefore: Date, notAfter: Date)
    /// A stored row (evidence, its manifest, an anchor of the audit log) that is not what the line makes.
    case evidenceUnusable(String)
    /// The document of a signed attestation is not kept any more, and what was published of it cannot be looked at, or put
    /// back, without it.
    case documentLost(OCI.Digest)
    /// Another attempt has signed the document first, in a statement that is not this one's.
    case overtaken
    /// The rule signs in nothing that was asked for.
    case noFormat(rule: String)
    /// The log's entry for our own request does not verify. `remedy`: what to do, where it is something else than the usual.
    case ownOutputRejected(code: String, observed: String, remedy: String? = nil)
    /// The certificate ran out before the log took the entry; the log is asked once more after `until`.
    case certificateExpired(at: Date, until: Date)
    /// The instance replaced the log by a new shard, and the former one does not show the entry; it is asked once more after
    /// `until`.
    case logReplaced(log: String, until: Date)
    /// The evidence was made for a log that is not the configured one.
    case otherLog(prepared: String, configured: String)
    /// No log in use takes signatures of this format.
    case noLog(SignatureFormat)
    /// The log does not date its entries, nobody else would, and verifiers trust an entry as of some time only.
    case noTimestamp(log: String)
    /// A rule names an identity that the configuration does not have (any more).
    case unknownIdentity(String)
    /// The registry serves something else than what was published.
    case readBackDiffers(String)
    /// The subject is being written by another job.
    case subjectBusy
    /// Another member of the group sends their evidence to the log now.
    case groupBusy
    /// A registry that the configuration does not have (any more).
    case unknownRegistry(String)
}

extension SigningError {
    /// Stable, as in the API's `last_error.code`.
    package var code: String {
        switch self {
        case .identityMismatch: "identity.mismatch"
        case .clockSkew: "tsa.clock_skew"
        case .evidenceUnusable: "signing.evidence_unusable"
        case .documentLost: "attestation.document_lost"
        case .overtaken: "signing.overtaken"
        case .noFormat: SignArtifact.formatCode
        case .ownOutputRejected(let code, _, _): code
        case .certificateExpired: "signing.certificate_expired"
        case .logReplaced: "rekor.replaced"
        case .otherLog: "rekor.other_log"
        case .noLog: "signing.no_log"
        case .noTimestamp: "signing.no_timestamp"
        case .unknownIdentity: "signing.unknown_identity"
        case .readBackDiffers: "registry.read_back_differs"
        case .subjectBusy: "signing.subject_busy"
        case .groupBusy: "signing.group_busy"
        case .unknownRegistry: Registries.unknownCode
        }
    }

    /// What an operator can do about it.
    package var fix: String {
        switch self {
        case .identityMismatch:
            "give the daemon the token of the configured identity, or correct subject_alternative_name and issuer"
        case .clockSkew: "compare the clocks of the timestamp authority, Fulcio and this machine"
        case .evidenceUnusable: "see who can write to the database; if nobody else did, report this with the text above"
        case .documentLost: "send it again: it is put back at the next try, and not signed again"
        case .overtaken: "nothing: the next attempt goes on with what the other one made"
        case .noFormat: "see the formats of its rule"
        case .ownOutputRejected(_, _, let remedy?): remedy
        case .ownOutputRejected: "see that trusted_root.json belongs to the Fulcio, log and timestamp authority in use"
        case .certificateExpired: "nothing: the log is asked once more, then the digest is signed anew"
        case .logReplaced:
            "nothing: the former log is asked once more, then the digest is signed anew for the present one"
        case .otherLog: "configure the former log until its entries are finished, then change it"
        case .noLog(.legacy): "configure a \(RekorAPI.names(\.datesEntries)) log, or sign with formats: [bundle]"
        case .noLog(.bundle): "configure a log in sigstore.logs"
        case .noTimestamp: "configure sigstore.timestamp_authority, or a \(RekorAPI.names(\.datesEntries)) log"
        case .unknownIdentity: "add the identity to sigstore.identities, or name another in the rule"
        case .readBackDiffers: "look for a second writer or a proxy between the daemon and the registry"
        case .subjectBusy, .groupBusy: "nothing: it is tried again in a moment"
        case .unknownRegistry: "add the registry to the configuration, or leave the artifact unsigned"
        }
    }
}

extension SigningError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .identityMismatch(let expected, let seen):
            "the certificate is for \(seen.subjectAlternativeName) from \(seen.issuer), configured is "
                + "\(expected.subjectAlternativeName) from \(expected.issuer)"
        case .clockSkew(let authority, let start, let end):
            "the timestamp authority says \(authority.formatted(.iso8601)), the certificate holds from "
                + "\(start.formatted(.iso8601)) to \(end.formatted(.iso8601))"
        case .evidenceUnusable(let why): "stored evidence cannot be continued: \(why)"
        case .documentLost(let digest):
            "the document \(digest) is not kept any more, and what was published of it is not served, or cannot be "
                + "compared without it"
        case .overtaken: "another attempt has signed the document first"
        case .noFormat(let rule): "rule '\(rule)' does not sign in what was asked for"
        case .ownOutputRejected(_, let observed, _): "our own signature does not verify: \(observed)"
        case .certificateExpired(let end, _):
            "the certificate ended at \(end.formatted(.iso8601)) before the log took the entry"
        case .logReplaced(let log, _): "\(log) was replaced by a new shard, and does not have the entry"
        case .otherLog(let prepared, let configured):
            "an entry was prepared for \(prepared); the configuration names \(configured)"
        case .noLog(let format): "no log in use takes \(format.rawValue) signatures"
        case .noTimestamp(let log): "\(log) does not date its entries, and no timestamp authority is in use"
        case .unknownIdentity(let name): "the policy rule signs as '\(name)', which is not configured"
        case .readBackDiffers(let what): "the registry does not serve what was published: \(what)"
        case .subjectBusy: "another job is publishing to this digest"
        case .groupBusy: "another member of the group sends the signature that they share to the log"
        case .unknownRegistry(let name): "\(name) is not in the configuration"
        }
    }
}
