package import OCI

/// What is asked of a batch, understood and not yet stored.
package struct BatchRequest: Sendable {
    package let subjects: Subjects
    package let action: Batch.Action
    /// In which of the formats of its rule each member is signed; `nil`: in all of them.
    package let formats: [SignatureFormat]?
    package let reason: String?
    package let grouping: Batch.Grouping?
    /// Digests that enter the queue in a minute, for each registry.
    package let rate: Int?

    /// The most references of one batch.
    package static let memberLimit = 20_000

    /// Which references are meant.
    package enum Subjects: Sendable {
        case list([BatchSubject])
        case selector(BatchSelector)
    }

    package init(
        subjects: Subjects, action: Batch.Action, formats: [SignatureFormat]? = nil, reason: String? = nil,
        grouping: Batch.Grouping? = nil, rate: Int? = nil
    ) {
        self.subjects = subjects
        self.action = action
        self.formats = formats
        self.reason = reason
        self.grouping = grouping
        self.rate = rate
    }
}

/// One reference, under the registry's canonical name.
package struct BatchSubject: Sendable, Hashable {
    package let repository: Repository
    package let tag: String?
    /// Decides where both are given. Absent: the registry is asked.
    package let digest: Digest?

    package init(repository: Repository, tag: String?, digest: Digest?) {
        self.repository = repository
        self.tag = tag
        self.digest = digest
    }

    package var reference: String {
        "\(repository)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }
}

/// What the policy and our records say of one subject now: what would be done with it, and what is stored of it.
package struct BatchVerdict: Sendable {
    package let subject: BatchSubject
    package let plan: Plan
    /// Why it would be signed by itself, where digests are to be grouped.
    package let alone: Failure?

    package enum Plan: Sendable {
        /// A target that nobody has asked for before, one that ended without a signature, or one that lacks a format.
        case sign
        /// It is signed: looked at again, and restored if it is missing.
        case recheck
        /// It is in the queue already; the batch waits for it.
        case join
        /// A new generation.
        case resign
        /// The registry is asked where the tag points; then one of the others.
        case resolve
        case refuse(Failure)
        /// Not to be signed until it is released.
        case revoked(Failure)

        package var name: String {
            switch self {
            case .sign: "sign"
            case .recheck: "recheck"
            case .join: "join"
            case .resign: "resign"
            case .resolve: "resolve"
            case .refuse: "refuse"
            case .revoked: "revoked"
            }
        }

        package var failure: Failure? {
            switch self {
            case .refuse(let failure), .revoked(let failure): failure
            default: nil
            }
        }
    }
}
