package import OCI
package import Sigstore

extension VerifyReference {
    /// What was found at one reference.
    package struct Report: Sendable {
        package let reference: Reference
        package let digest: Digest
        /// The same manifest under other algorithms: it may have been withdrawn by these names.
        package let otherDigests: [Digest]
        package let mediaType: String
        /// The kind of claim that was looked for.
        package let predicateType: String
        /// Those that passed every check, in the order in which they are listed: bundles first.
        package let signatures: [Signature]
        /// Those that did not, and why; also those that could not be read.
        package let rejected: [SignatureRejection]
        /// Who withdrew the artifact, if a daemon or its database was asked and says so: then nothing about it counts, whatever
        /// verifies.
        package var revocation: Revocation?
        /// Set if the trust material it was judged by is out of date.
        package var trustExpiry: TrustExpiry?
        /// Whether at least one signature as expected verifies, and nobody withdrew the artifact.
        package var isVerified: Bool { !signatures.isEmpty && revocation == nil }
        /// Whether nothing verifies, and something that might was not read: neither signed nor unsigned.
        package var isUndetermined: Bool {
            signatures.isEmpty && revocation == nil && rejected.contains { $0.isUndetermined }
        }
    }

    /// A withdrawal that is in force.
    package struct Revocation: Sendable, Encodable {
        package let reason: String
        package let revokedBy: String
        /// RFC 3339.
        package let revokedAt: String

        package init(reason: String, revokedBy: String, revokedAt: String) {
            self.reason = reason
            self.revokedBy = revokedBy
            self.revokedAt = revokedAt
        }
    }

    /// A signature or attestation that counts.
    package struct Signature: Sendable {
        package let location: SignatureLocation
        package let verified: VerifiedSignature
        /// The document that an attestation by reference names.
        package let document: ReferencedDocument?
        /// What the logs said, if they were asked.
        package let confirmations: [LogConfirmation]
        /// Where a newer VEX document of the same signer and type is. This one is validly signed all the same.
        package var supersededBy: SignatureLocation?
    }
}
