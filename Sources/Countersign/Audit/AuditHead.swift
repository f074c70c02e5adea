import FoundationEssentials
import OpenSSL
import Sigstore
import StrictJSON

/// What is signed of the audit log: that its chain has this head at this position.
package struct AuditHead: Sendable, Equatable {
    package static let predicateType = "https://countersign.dev/audit-head/v1"
    /// The subject's name. It is no repository, so that no statement about an image can be taken for one.
    static let subjectName = "countersign.audit"

    package let position: Int64
    package let hash: [UInt8]

    /// The artifact that the statement is about: the head itself.
    var artifact: ArtifactDigest { get throws { try ArtifactDigest("sha256:\(Hex.encode(hash))") } }

    var statement: Statement {
        Statement(
            subjects: [.init(name: Self.subjectName, digest: ["sha256": Hex.encode(hash)])],
            predicateType: Self.predicateType, predicate: .object(["position": .integer(position)]))
    }

    /// Verifies an anchor's bundle as any client would, and that it says exactly this.
    /// - Throws: `VerificationError`, or ``AuditChain/Fault`` for a statement of another head.
    func verify(_ bundle: [UInt8], by signer: Verifier.ExpectedSigner, _ verifier: Verifier) throws {
        let bundle = try UnverifiedBundle(json: bundle)
        _ = try verifier.verify(bundle, artifact: artifact, by: signer, expecting: Self.predicateType)
        guard case .envelope(let envelope) = bundle.content, envelope.payload == statement.encoded() else {
            throw AuditChain.Fault(position: position, observed: "its anchor is a statement of something else")
        }
    }
}
