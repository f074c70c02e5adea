import FoundationEssentials

/// What the API says of a batch (`GET /v1/batches/{id}`); the members are the API's.
struct BatchAnswer: Codable {
    struct Progress: Codable, Equatable {
        let counts: [String: Int]
        let ended: Int
        let targets: Int
        let rate: Double?
        let etaSeconds: Int?
    }
    let id: Int64
    let action: String
    let state: String
    let requestedBy: String
    let reason: String?
    let members: Int
    let createdAt: String
    let endedAt: String?
    let progress: Progress?

    /// Whether the daemon waits for nothing more of it.
    var hasEnded: Bool { endedAt != nil }

    /// Whether every member is signed.
    var isAllSigned: Bool { hasEnded && state == "done" && (progress?.counts["signed"] ?? 0) == members }

    /// `signed 12, waiting 3`, in the order in which a reader looks for them.
    var summary: String {
        let order = [
            "signed", "pending", "queued", "signing", "waiting", "failed", "refused", "gone", "cancelled", "revoked",
        ]
        let counts = progress?.counts ?? [:]
        let words = order.compactMap { state in counts[state].map { "\(state) \($0)" } }
        return words.isEmpty ? "nothing to do" : words.joined(separator: ", ")
    }

    /// `batch 4 done: signed 12, failed 1 of 13`.
    var line: String { "batch \(id) \(state): " + (members == 0 ? "nothing matched" : "\(summary) of \(members)") }
}

/// One reference of a batch and what became of it.
struct BatchItem: Codable {
    struct Failure: Codable {
        let code: String
        let stage: String
        let observed: String
        let fix: String
    }
    let ordinal: Int32
    let reference: String
    let state: String
    let new: Bool
    /// Why its rule keeps it out of every group; a daemon of an older version does not say.
    let alone: Failure?
    let error: Failure?
}

/// A page of a batch.
struct BatchPage: Codable {
    let batch: BatchAnswer
    let items: [BatchItem]
    let next: Int32?
}

/// What a dry run answers.
struct BatchDryRun: Codable {
    struct Item: Codable {
        let reference: String
        let plan: String
        let alone: BatchItem.Failure?
        let error: BatchItem.Failure?
    }
    let dryRun: Bool
    let members: Int
    let plan: [String: Int]
    let alone: Int?
    let items: [Item]
    let truncated: Bool
    let policyVersion: String

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
