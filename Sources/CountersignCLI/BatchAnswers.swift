import Countersign

// What the API answers of batches, as the commands tell it.

extension BatchAnswer {
    /// Whether the daemon waits for nothing more of it.
    var hasEnded: Bool { endedAt != nil }

    /// Whether every member is signed.
    var isAllSigned: Bool { hasEnded && state == Batch.State.done.rawValue && (count(.signed) ?? 0) == members }

    /// How many members are in that state; nil: none, or nobody says.
    func count(_ state: BatchMember.State) -> Int? { progress?.counts[state.rawValue] }

    /// `signed 12, waiting 3`, in the order in which a reader looks for them; last what only a newer daemon knows.
    var summary: String {
        let counts = progress?.counts ?? [:]
        let known = ([.signed] + BatchMember.State.allCases.filter { $0 != .signed }).map(\.rawValue)
        let others = counts.keys.filter { !known.contains($0) }.sorted()
        let words = (known + others).compactMap { state in counts[state].map { "\(state) \($0)" } }
        return words.isEmpty ? "nothing to do" : words.joined(separator: ", ")
    }

    /// `batch 4 done: signed 12, failed 1 of 13`.
    var line: String { "batch \(id) \(state): " + (members == 0 ? "nothing matched" : "\(summary) of \(members)") }

    /// What was asked beside the references, who agreed to it, and why it stands still.
    var circumstances: [(String, String)] {
        var lines: [(String, String)] = []
        if let selector { lines.append(("selector", selector.words)) }
        if let formats { lines.append(("formats", formats.joined(separator: ", "))) }
        if let grouping {
            let reach = grouping.acrossRepositories ? "also of different repositories" : "of one repository"
            lines.append(("grouping", "up to \(grouping.maxSubjects) digests in a statement, \(reach)"))
        }
        if let rate { lines.append(("rate", "\(rate) digests a minute, for each registry")) }
        if let old { lines.append(("old", old)) }
        if let reason { lines.append(("reason", reason)) }
        if let approvedBy {
            lines.append(("approved", (approvedAt.map { "\($0.apiText) " } ?? "") + "by \(approvedBy)"))
        }
        if let error {
            lines.append(("error", "\(error.code) at \(error.stage): \(error.observed)"))
            lines.append(("fix", error.fix))
        }
        return lines
    }
}

extension RequestedSelector {
    /// `repository registry.example.com/team/**, unsigned`.
    fileprivate var words: String {
        let conditions = [
            source.map { "source \($0)" }, registry.map { "registry \($0)" }, repository.map { "repository \($0)" },
            tag.map { "tag \($0)" }, digests.map { $0.count == 1 ? $0[0] : "\($0.count) digests" },
            unsigned == true ? "unsigned" : nil, signedBefore.map { "signed before \($0)" },
            identity.map { "identity \($0)" },
        ]
        return conditions.compactMap(\.self).joined(separator: ", ")
    }
}

/// A page of a batch.
struct BatchPage: Codable {
    let batch: Received<BatchAnswer>
    let items: [Received<BatchItemAnswer>]
    let next: Int32?
}

extension DryRunAnswer {
    func tell() {
        for item in items {
            let reason = item.error?.observed ?? item.alone.map { "by itself: \($0.observed)" }
            print("\(item.plan)\t\(item.reference)" + (reason.map { "\t\($0)" } ?? ""))
        }
        if truncated { print("… \(members - items.count) more") }
        let words = plan.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        let apart = alone.flatMap { $0 > 0 ? " \($0) in no group." : nil } ?? ""
        print(
            "\(members) \(members == 1 ? "reference" : "references"): \(words.isEmpty ? "none" : words).\(apart) Nothing was written."
        )
    }
}
