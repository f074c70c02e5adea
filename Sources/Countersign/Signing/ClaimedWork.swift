/// What the worker hands over at once: one job, or those of a group that were claimed together.
enum ClaimedWork: Sendable {
    case one(Claim)
    case group([Claim])

    var lane: Lane {
        switch self {
        case .one(let claim): claim.lane
        case .group: .bulk
        }
    }

    /// Jobs of one group together, everything else by itself, in the order of the claims. A push takes a job out of its
    /// group: it is in the live lane then.
    static func sorted(_ claims: [Claim]) -> [ClaimedWork] {
        let groups = Dictionary(grouping: claims.filter(\.isOfGroup), by: \.groupID)
        return claims.compactMap { claim in
            guard claim.isOfGroup, let members = groups[claim.groupID] else { return .one(claim) }
            return members.first?.jobID == claim.jobID ? .group(members) : nil
        }
    }
}

extension Claim {
    fileprivate var isOfGroup: Bool { groupID != nil && lane == .bulk && kind == .sign }
}
