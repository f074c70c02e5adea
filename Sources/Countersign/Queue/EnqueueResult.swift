/// What became of each request, in the order given.
package struct EnqueueResult: Sendable, Equatable {
    package let items: [Item]

    package struct Item: Sendable, Equatable {
        package let verdict: Verdict
        /// The target that it became or joined; `nil` for tag-only and refused requests.
        package let targetID: Int64?
        /// Known, and not to be signed until it is released.
        package let isRevoked: Bool

        package init(verdict: Verdict, targetID: Int64?, isRevoked: Bool = false) {
            self.verdict = verdict
            self.targetID = targetID
            self.isRevoked = isRevoked
        }
    }

    /// As the `event` table has it.
    package enum Verdict: String, Sendable, CaseIterable {
        case accepted, known, refused
    }

    package init(items: [Item]) { self.items = items }

    package func count(_ verdict: Verdict) -> Int { items.count { $0.verdict == verdict } }
}
