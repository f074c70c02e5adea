import Synchronization

/// How the bulk lane stands back at a registry whose notifications lag (``BulkYield``).
extension DependencyGate {
    /// A notification of this registry was taken, so long after the time that it bears: while they lag, bulk steps back.
    package func heard(after delay: Duration) {
        let limit = yield.withLock { yield in
            yield.heard(after: delay, underWay: slots.taken, at: .now)
            return yield.limit
        }
        slots.limitYielding(to: limit)
    }

    /// Bulk requests enter while fewer requests than this are under way; nil: no limit of their own.
    var bulkLimit: Int? { yield.withLock(\.limit) }

    /// Bulk comes forward again by and by, also where nothing is told any more.
    func easeBulk() {
        let (before, after) = yield.withLock { yield in
            let before = yield.limit
            yield.ease(at: .now)
            return (before, yield.limit)
        }
        if before != after { slots.limitYielding(to: after) }
    }
}
