package import FoundationEssentials
package import OCI
import Postgres

/// One request for many references. Its members are signed by the same line as every push; the batch only puts them into
/// the queue, in the bulk lane and in bounded steps, and keeps the account.
package struct Batch: Sendable, Equatable {
    package let id: Int64
    package let action: Action
    package let state: State
    /// The token's name.
    package let requestedBy: String
    /// The selector as it was asked (JSON); `nil` for a list of references.
    package let selector: String?
    /// In which of the formats of its rule each member is signed; `nil`: in all of them.
    package let formats: [SignatureFormat]?
    package let reason: String?
    /// Many digests in one statement; `nil`: a statement for each.
    package let grouping: Grouping?
    /// How many of its digests enter the queue in a minute, for each registry; `nil`: as fast as they can.
    package let rate: Int?
    /// Why its last step failed; it is taken again. `nil`: it did not.
    package let error: Failure?
    /// Who agreed to it, where somebody had to.
    package let approval: Approval?
    /// How many references it has, for good.
    package let members: Int
    package let createdAt: Date
    /// When it was begun, or resumed last.
    package let startedAt: Date
    /// When nothing was left to wait for.
    package let endedAt: Date?

    /// What is asked for each member.
    package enum Action: Sendable, Equatable {
        /// What a push would get.
        case sign
        /// A new generation: another signature, though there is one. Older ones are kept, or taken out of the lists.
        case resign(OldSignatures)

        package var name: String { if case .sign = self { "sign" } else { "resign" } }
    }

    /// What becomes of the signatures of earlier generations.
    package enum OldSignatures: String, Sendable, CaseIterable { case keep, remove }

    /// How many artifacts one statement may be about.
    package struct Grouping: Sendable, Equatable {
        /// 1…1,024.
        package let maxSubjects: Int
        /// Whether a statement may be about artifacts of several repositories: whoever reads one of them sees the others.
        package let acrossRepositories: Bool

        package init(maxSubjects: Int, acrossRepositories: Bool = false) {
            self.maxSubjects = maxSubjects
            self.acrossRepositories = acrossRepositories
        }
    }

    package enum State: String, Sendable, CaseIterable {
        /// Nothing of it enters the queue until somebody other than who asked for it approves.
        case proposed
        case running
        /// An operator's word. What was not signed yet is taken back, until it is resumed.
        case cancelled
        /// Every member has its result.
        case done
    }

    /// The second person's word.
    package struct Approval: Sendable, Equatable {
        /// The token's name.
        package let by: String
        package let at: Date
    }

    package init(
        id: Int64, action: Action, state: State, requestedBy: String, selector: String?, formats: [SignatureFormat]?,
        reason: String?, grouping: Grouping?, rate: Int?, error: Failure?, approval: Approval? = nil, members: Int,
        createdAt: Date,
        startedAt: Date, endedAt: Date?
    ) {
        self.id = id
        self.action = action
        self.state = state
        self.requestedBy = requestedBy
        self.selector = selector
        self.formats = formats
        self.reason = reason
        self.grouping = grouping
        self.rate = rate
        self.error = error
        self.approval = approval
        self.members = members
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.endedAt = endedAt
    }

    /// Names its work in logs and jobs. A push that folds into a job puts its own name there, and a batch that folds into
    /// somebody else's leaves the name that it finds, so that what carries this one is wanted by the batch alone.
    static func deliveryKey(_ id: Int64) -> [UInt8] { Array("batch \(id)".utf8) }

    /// The pattern of such names.
    static let deliveryKeys: Query = "'batch %'"
}

/// One reference of a batch.
package struct BatchMember: Sendable, Equatable {
    package let ordinal: Int32
    package let repository: Repository
    package let tag: String?
    /// `nil` while the registry was not asked yet where the tag points.
    package let digest: Digest?
    package let state: State
    /// Whether it made its target (or the new generation); `false` where one was there, or an earlier member's is the same.
    package let isNew: Bool
    /// Why it is signed by itself, although the batch groups; `nil`: nothing of the rule stands in the way.
    package let alone: Failure?
    package let error: Failure?
    package let endedAt: Date?

    /// `host/repository:tag@digest`, as far as it is known.
    package var reference: String {
        "\(repository)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// Where a member stands: the nine words of targets, and one more.
    package enum State: String, Sendable, CaseIterable {
        /// Not in the queue yet.
        case pending
        case queued, signing, waiting
        case signed, failed, refused, gone, cancelled, revoked

        /// Whether the batch waits for nothing more of it.
        package var isFinal: Bool {
            switch self {
            case .pending, .queued, .signing, .waiting: false
            case .signed, .failed, .refused, .gone, .cancelled, .revoked: true
            }
        }
    }
}

/// How far a batch is.
package struct BatchProgress: Sendable, Equatable {
    /// Members by state; states without members are absent.
    package let counts: [BatchMember.State: Int]
    /// Distinct targets among the members: tags of one digest share a signature.
    package let targets: Int
    /// Members that ended in the last minute, per second; `nil` before the first.
    package let rate: Double?

    package var ended: Int { counts.reduce(0) { $0 + ($1.key.isFinal ? $1.value : 0) } }
    package var open: Int { counts.reduce(0) { $0 + ($1.key.isFinal ? 0 : $1.value) } }

    /// How long the rest will take at the present rate.
    package var remaining: Duration? {
        guard let rate, rate > 0, open > 0 else { return nil }
        return .seconds((Double(open) / rate).rounded(.up))
    }

    package init(counts: [BatchMember.State: Int], targets: Int, rate: Double?) {
        self.counts = counts
        self.targets = targets
        self.rate = rate
    }
}
