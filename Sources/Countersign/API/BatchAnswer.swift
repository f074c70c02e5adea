package import FoundationEssentials
import OCI

/// A batch as the API shows it.
package struct BatchAnswer: Codable, Sendable {
    package let id: Int64
    package let action, state, requestedBy: String
    package let selector: RequestedSelector?
    package let formats: [String]?
    package let reason, old: String?
    package let grouping: Grouping?
    /// Digests a minute, for each registry.
    package let rate: Int?
    /// Why its last step failed.
    package let error: Failure?
    /// Who agreed to it, where somebody had to.
    package let approvedBy: String?
    package let approvedAt: Date?
    package let members: Int
    package let createdAt, startedAt: Date
    package let endedAt: Date?
    /// Absent in the list of batches.
    package let progress: Progress?

    package struct Grouping: Codable, Sendable, Equatable {
        package let maxSubjects: Int
        package let acrossRepositories: Bool

        enum CodingKeys: String, CodingKey {
            case maxSubjects = "max_subjects"
            case acrossRepositories = "across_repositories"
        }

        package init(_ grouping: Batch.Grouping) {
            (maxSubjects, acrossRepositories) = (grouping.maxSubjects, grouping.acrossRepositories)
        }
    }

    package struct Progress: Codable, Sendable, Equatable {
        /// Members by state; only states that occur.
        package let counts: [String: Int]
        package let ended: Int
        /// Distinct targets: tags of one digest share a signature.
        package let targets: Int
        /// Members that ended in the last minute, per second.
        package let rate: Double?
        package let etaSeconds: Int?

        enum CodingKeys: String, CodingKey {
            case counts, ended, targets, rate
            case etaSeconds = "eta_seconds"
        }

        init(_ progress: BatchProgress) {
            counts = Dictionary(uniqueKeysWithValues: progress.counts.map { ($0.rawValue, $1) })
            ended = progress.ended
            targets = progress.targets
            rate = progress.rate.map { ($0 * 100).rounded() / 100 }
            etaSeconds = progress.remaining.map { Int($0.components.seconds) }
        }
    }

    enum CodingKeys: String, CodingKey {
        case id, action, state, selector, formats, reason, old, grouping, rate, error, members, progress
        case requestedBy = "requested_by"
        case approvedBy = "approved_by"
        case approvedAt = "approved_at"
        case createdAt = "created_at"
        case startedAt = "started_at"
        case endedAt = "ended_at"
    }

    init(_ batch: Batch, _ progress: BatchProgress? = nil) {
        id = batch.id
        action = batch.action.name
        state = batch.state.rawValue
        requestedBy = batch.requestedBy
        selector = batch.selector.flatMap(RequestedSelector.init(json:))
        formats = batch.formats?.map(\.rawValue)
        reason = batch.reason
        old = batch.action.old?.rawValue
        grouping = batch.grouping.map(Grouping.init)
        rate = batch.rate
        error = batch.error
        approvedBy = batch.approval?.by
        approvedAt = batch.approval?.at
        members = batch.members
        createdAt = batch.createdAt
        startedAt = batch.startedAt
        endedAt = batch.endedAt
        self.progress = progress.map(Progress.init)
    }
}

/// A selector as it is asked, and shown.
package struct RequestedSelector: Codable, Sendable, Equatable {
    package let source, registry, repository, tag: String?
    package let digests: [String]?
    package let unsigned: Bool?
    package let signedBefore, identity: String?

    enum CodingKeys: String, CodingKey {
        case source, registry, repository, tag, digests, unsigned, identity
        case signedBefore = "signed_before"
    }

    package init(
        source: BatchSelector.Source?, registry: String?, repository: String?, tag: String?, digests: [String]?,
        unsigned: Bool?, signedBefore: String?, identity: String?
    ) {
        self.source = source?.rawValue
        (self.registry, self.repository, self.tag) = (registry, repository, tag)
        (self.digests, self.unsigned) = (digests, unsigned)
        (self.signedBefore, self.identity) = (signedBefore, identity)
    }

    init?(json: String) {
        guard let read = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = read
    }
}

struct BatchesAnswer: Encodable {
    let batches: [BatchAnswer]
    /// Pass as `before` for the next page; absent at the end.
    let next: Int64?
}

/// One batch with a page of its members.
struct BatchItemsAnswer: Encodable {
    let batch: BatchAnswer
    let items: [BatchItemAnswer]
    /// Pass as `after` for the next page; absent at the end.
    let next: Int32?
}

/// One reference of a batch and what became of it.
package struct BatchItemAnswer: Codable, Sendable {
    package let ordinal: Int32
    package let reference, state: String
    /// It made the target; the members that share it did not.
    package let new: Bool
    /// Why it is in no group, where its rule is the reason.
    package let alone: Failure?
    package let error: Failure?
    package let endedAt: Date?

    enum CodingKeys: String, CodingKey {
        case ordinal, reference, state, new, alone, error
        case endedAt = "ended_at"
    }

    init(_ member: BatchMember) {
        ordinal = member.ordinal
        reference = member.reference
        state = member.state.rawValue
        new = member.isNew
        alone = member.alone
        error = member.error
        endedAt = member.endedAt
    }
}

/// What a batch would do.
package struct DryRunAnswer: Codable, Sendable {
    /// Always true.
    package let dryRun: Bool
    package let members: Int
    /// Members by what would be done with them: sign, recheck, join, resign, resolve, refuse, revoked.
    package let plan: [String: Int]
    /// Members that would be in no group because of their rule; absent if nothing is to be grouped.
    package let alone: Int?
    /// The first thousand.
    package let items: [Item]
    /// Whether there are more than the items shown.
    package let truncated: Bool
    package let policyVersion: String

    package struct Item: Codable, Sendable {
        package let reference, plan: String
        package let alone, error: Failure?
    }

    enum CodingKeys: String, CodingKey {
        case members, plan, alone, items, truncated
        case dryRun = "dry_run"
        case policyVersion = "policy_version"
    }

    private static let itemLimit = 1_000

    init(_ verdicts: [BatchVerdict], isGrouped: Bool, policyVersion: String) {
        dryRun = true
        members = verdicts.count
        alone = isGrouped ? verdicts.count { $0.alone != nil } : nil
        plan = verdicts.reduce(into: [:]) { $0[$1.plan.name, default: 0] += 1 }
        items = verdicts.prefix(Self.itemLimit).map {
            Item(
                reference: $0.subject.reference, plan: $0.plan.name, alone: $0.alone, error: $0.plan.failure)
        }
        truncated = verdicts.count > Self.itemLimit
        self.policyVersion = policyVersion
    }
}
