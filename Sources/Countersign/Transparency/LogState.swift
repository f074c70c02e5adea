package import FoundationEssentials
import OpenSSL
package import Sigstore

/// What a log says about itself, and whether it is signed by whom it should.
package struct LogState: Encodable, Sendable {
    /// One of its trees. Rekor v1 begins a new one now and then; its indexes run on over all of them.
    package struct Tree: Encodable, Sendable {
        package struct Witness: Encodable, Sendable {
            package let name: String
            package let cosignedAt: Date
        }

        /// Its name in checkpoints.
        package let origin: String
        package let size: UInt64
        /// Hex.
        package let rootHash: String
        /// Whether it takes entries.
        package let isActive: Bool
        /// Names of all who signed the checkpoint, as they call themselves.
        package let signatures: [String]
        /// The log of the trusted root that signed it; nil if none did, or nobody is trusted.
        package var signedBy: String?
        /// Known witnesses that cosigned it.
        package var witnesses: [Witness] = []
        /// Why it does not verify.
        package var problem: String?

        init(_ checkpoint: Checkpoint, isActive: Bool) {
            origin = checkpoint.origin
            size = checkpoint.size
            rootHash = Hex.encode(checkpoint.rootHash)
            signatures = checkpoint.signatures.map(\.name)
            self.isActive = isActive
        }
    }

    package let log: String
    package let version: Int
    /// Entries in all trees.
    package let size: UInt64
    /// Whether there was a trusted root to judge by.
    package let isJudged: Bool
    /// The active one first.
    package let trees: [Tree]

    /// Whether every checkpoint is signed by a trusted log.
    package var isVerified: Bool { isJudged && trees.allSatisfy { $0.problem == nil } }
}

/// A check of a log that was made and passed.
package struct LogCheck: Encodable, Sendable, Equatable {
    /// Its stable name.
    package let check: String
    /// What was seen.
    package let seen: String
    /// What it was compared with.
    package let against: String?

    package init(check: String, seen: String, against: String?) {
        self.check = check
        self.seen = seen
        self.against = against
    }

    package init(_ step: VerificationStep) {
        self.init(check: step.check.rawValue, seen: step.seen, against: step.against)
    }
}
