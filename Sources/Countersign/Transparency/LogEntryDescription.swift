package import FoundationEssentials
import OpenSSL
package import Sigstore

/// An entry of a log for people and scripts: where it is, what it holds, and how it is proven. Description is not belief.
package struct LogEntryDescription: Encodable, Sendable {
    /// A digest that the body holds.
    package struct HashedContent: Encodable, Sendable {
        /// `payload`, `envelope` or `artifact`.
        package let what: String
        /// `sha256:…`.
        package let digest: String
    }

    /// Whose signature it is.
    package struct Signer: Encodable, Sendable {
        /// The certificate's subject alternative name; nil for a key, and for a certificate that names nobody.
        package let identity: String?
        package let issuer: String?
        /// The certificate's serial number, hex; nil for a key.
        package let serial: String?
        package let notBefore: Date?
        package let notAfter: Date?
        /// SHA-256 of the key's DER, hex, where it is a key.
        package let keySHA256: String?
    }

    /// How the log proves it.
    package struct Proof: Encodable, Sendable {
        /// The index in the tree; that of the entry counts over all trees of the log.
        package let index: Int64
        package let treeSize: Int64
        /// Hex.
        package let rootHash: String
        /// How long the path is.
        package let hashes: Int
        /// The tree's name in the checkpoint; nil if the proof brings no checkpoint that can be read.
        package let origin: String?
    }

    /// Such as `dsse`; with ``version``, what the log took.
    package let kind: String
    package let version: String
    /// The log's URL; nil if nobody said.
    package let log: String?
    /// Hex.
    package let logID: String
    package let logIndex: Int64
    /// Rekor v1's name for the entry; for one that came without, the 64 digits that follow from its body.
    package let uuid: String
    /// When the log took it, as it says; nil in Rekor v2, which does not.
    package let integratedTime: Date?
    /// Whether there is a signed entry timestamp.
    package let isPromised: Bool
    package let proof: Proof?
    package let contents: [HashedContent]
    package let signers: [Signer]
    /// Why the body cannot be read, if it cannot.
    package let bodyProblem: String?

    package init(_ entry: TlogEntry, log: String? = nil) {
        kind = entry.kind
        version = entry.version
        self.log = log
        logID = Hex.encode(entry.logID)
        logIndex = entry.logIndex
        uuid = entry.uuid ?? Hex.encode(Merkle.leafHash(entry.canonicalizedBody))
        integratedTime = entry.integratedTime > 0 ? Date(timeIntervalSince1970: Double(entry.integratedTime)) : nil
        isPromised = entry.inclusionPromise != nil
        proof = entry.inclusionProof.map { proof in
            Proof(
                index: proof.logIndex, treeSize: proof.treeSize, rootHash: Hex.encode(proof.rootHash),
                hashes: proof.hashes.count, origin: (try? Checkpoint(note: proof.checkpoint))?.origin)
        }
        do throws(SigstoreError) {
            let body = try LoggedSignature(entry)
            contents = body.contents.map {
                HashedContent(what: $0.what, digest: "\($0.algorithm):\(Hex.encode($0.digest))")
            }
            signers = body.signers.map(Signer.init)
            bodyProblem = nil
        } catch {
            (contents, signers) = ([], [])
            bodyProblem = error.observed
        }
    }
}

extension LogEntryDescription.Signer {
    fileprivate init(_ signer: LogSubmission.Signer) {
        switch signer {
        case .certificate(let certificate):
            identity = try? certificate.signerIdentity()
            issuer = try? certificate.signerIssuer()
            serial = Hex.encode(certificate.serialNumber)
            (notBefore, notAfter) = (certificate.notBefore, certificate.notAfter)
            keySHA256 = nil
        case .publicKey(let key):
            (identity, issuer, serial, notBefore, notAfter) = (nil, nil, nil, nil, nil)
            keySHA256 = Hex.encode(Hash.sha256(key.spki))
        }
    }
}
