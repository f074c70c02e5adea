import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

/// Evidence whose log entry is known and whose bundle was verified in this attempt.
struct LoggedEvidence: Sendable {
    let evidence: Evidence
    /// The manifest that carries the bundle, rendered once.
    let attachment: Evidence.Attachment
    let verified: VerifiedBundle
    /// The bundle's bytes as they are published.
    let bundle: [UInt8]
    let entry: TlogEntry

    init(
        evidence: Evidence, attachment: Evidence.Attachment, verified: VerifiedBundle, bundle: [UInt8], entry: TlogEntry
    ) {
        self.evidence = evidence
        self.attachment = attachment
        self.verified = verified
        self.bundle = bundle
        self.entry = entry
    }

    /// Stored evidence of an earlier attempt, verified again; nil if the log's answer is not stored yet.
    init?(_ stored: Evidence, _ target: Target, _ signer: KeylessSigner) async throws {
        guard let logged = stored.logged, let bundle = logged.bundle, let attachment = stored.attachment else {
            return nil
        }
        do {
            let verified = try signer.verify(UnverifiedBundle(json: bundle), for: target.digest, in: target.repository)
            self.init(
                evidence: stored, attachment: attachment, verified: verified, bundle: bundle,
                entry: try TlogEntry(json: logged.entry))
        } catch let error as VerificationError {
            // it verified when it was stored: the trust root, the identity or the row has changed since
            throw SigningError.ownOutputRejected(code: error.code, observed: "the stored bundle: \(error.observed)")
        }
    }

    /// The facts that the status API shows.
    func record(rule: String, policyVersion: String) -> SignedRecord {
        SignedRecord(
            identity: verified.identity, issuer: verified.issuer, logID: Hex.encode(entry.logID),
            logIndex: entry.logIndex,
            logUUID: entry.uuid, integratedAt: evidence.logged?.integratedAt, referrer: attachment.digest, rule: rule,
            policyVersion: policyVersion)
    }
}

extension Evidence.Logged {
    /// What is stored of an entry and the bundle that carries it.
    init(_ entry: TlogEntry, bundle: [UInt8]?) {
        self.init(
            entry: entry.encoded(), logID: Hex.encode(entry.logID), logIndex: entry.logIndex, logUUID: entry.uuid,
            integratedAt: entry.integratedTime > 0 ? Date(timeIntervalSince1970: Double(entry.integratedTime)) : nil,
            bundle: bundle)
    }
}
