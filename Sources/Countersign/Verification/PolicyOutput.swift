import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import StrictJSON

/// A report as policies read it: what Rego finds under `input`.
///
/// `input.image.name`, `.digest`, `input.image.signatures[_].certificate.subject.email` (the certificate's name whatever its
/// kind), `.certificate.issuer`, `.certificate.extensions`, `.log.index`, `.predicate_type`, and `.predicate` of attestations.
/// Only what verified is there: an image that nobody signed as expected has an empty list, and so has one that was withdrawn,
/// with `input.image.revocation` saying by whom, when and why.
package enum PolicyOutput {
    /// One JSON document and a newline.
    package static func document(_ report: VerifyReference.Report) throws -> [UInt8] {
        let signatures = try report.isVerified ? report.currentFirst.map { try signature($0, report) } : []
        var image: JSONObject = [
            "name": .string(report.reference.description), "digest": .string(report.digest.description),
            "media_type": .string(report.mediaType), "signatures": .array(signatures),
        ]
        if let revocation = report.revocation {
            image["revocation"] = .object([
                "reason": .string(revocation.reason), "revoked_by": .string(revocation.revokedBy),
                "revoked_at": .string(revocation.revokedAt),
            ])
        }
        if let expiry = report.trustExpiry {
            image["trust_expiry"] = .object([
                "origin": .string(expiry.origin), "role": .string(expiry.role),
                "expired_at": .string(expiry.expiredAt.formatted(.iso8601)),
            ])
        }
        return JSONValue.object(["image": .object(image)]).encoded() + [0x0A]
    }

    private static func signature(
        _ signature: VerifyReference.Signature, _ report: VerifyReference.Report
    ) throws -> JSONValue {
        let verified = signature.verified
        var object: JSONObject = [
            "verified": .bool(true), "format": .string(signature.location.format.rawValue),
            "predicate_type": .string(report.predicateType),
        ]
        switch verified.signer {
        case .certificate(let identity, let issuer, let certificate):
            let extensions = try FulcioExtension.all(of: certificate)
            object["certificate"] = .object([
                "subject": .object(["email": .string(identity)]), "issuer": .string(issuer),
                "not_before": .string(certificate.notBefore.formatted(.iso8601)),
                "not_after": .string(certificate.notAfter.formatted(.iso8601)),
                "extensions": .object(
                    JSONObject(extensions.map { JSONObject.Member($0.kind.key, .string($0.value)) })),
            ])
        // without a member `certificate` no rule about certificates can match
        case .publicKey(let key):
            object["key"] = .object(["sha256": .string(Hex.encode(Hash.sha256(key.spki)))])
        }
        if let entry = verified.tlogEntry {
            var log: JSONObject = [:]
            if let index = entry.provenIndex { log["index"] = .integer(index) }
            log["id"] = .string(Hex.encode(entry.logID))
            log["online"] = .bool(!signature.confirmations.isEmpty)
            if entry.provenTime != nil { log["integrated_time"] = .integer(entry.integratedTime) }
            object["log"] = .object(log)
        }
        if let time = verified.time { object["signed_at"] = .string(time.formatted(.iso8601)) }
        object["annotations"] = .object(
            JSONObject(
                verified.annotations.sorted { $0.key < $1.key }.map { JSONObject.Member($0.key, .string($0.value)) }))
        if report.predicateType != Statement.cosignSignPredicateType {
            object["predicate"] = predicate(of: signature) ?? .null
        }
        if let newer = signature.supersededBy { object["superseded_by"] = .string(newer.description) }
        return .object(object)
    }

    /// What is claimed; of an attestation by reference the document itself, as text where it is no JSON.
    static func predicate(of signature: VerifyReference.Signature) -> JSONValue? {
        guard let document = signature.document else { return signature.verified.statement?.predicate }
        let limits = UnverifiedBundle.attestationLimits
        if let value = try? JSONValue(parsing: document.bytes, limits: limits) { return value }
        return .string(String(decoding: document.bytes, as: UTF8.self))
    }
}
