import FoundationEssentials

/// One daemon's part of the requests that all together may have under way at a dependency. Pure: every daemon comes to its
/// own part, and together they never have more than the limit.
///
/// Each has what the limit comes to for all alike, and the first in line one more of what is left over. With more daemons
/// than places the places go round, by the database's clock: a daemon without one waits for its turn, which comes after as
/// many turns as there are daemons.
struct ConcurrencyShare: Sendable {
    /// What all together may have.
    let limit: Int
    /// Daemons that are alive, this one among them.
    let daemons: Int
    /// How many of them stand before this one.
    let rank: Int
    /// How long a place that goes round is one daemon's.
    let turn: Duration

    /// So many, until something changes, or for so long.
    struct Places: Sendable, Equatable {
        let count: Int
        var lasting: Duration? = nil
    }

    /// In the last part of a turn nothing is begun: what is under way ends before the next daemon begins.
    private static let used = 0.8

    func places(at time: Date) -> Places {
        guard limit < daemons else { return Places(count: limit / daemons + (rank < limit % daemons ? 1 : 0)) }
        let length = turn / .seconds(1)
        let turns = (time.timeIntervalSince1970 / length).rounded(.down)
        // far beyond any clock the remainder is still right
        let passed = Int(turns.truncatingRemainder(dividingBy: Double(daemons)))
        let left = length * (turns + Self.used) - time.timeIntervalSince1970
        guard (rank + passed + daemons) % daemons < limit, left > 0 else { return Places(count: 0) }
        return Places(count: 1, lasting: .seconds(left))
    }
}

/// The daemons that are alive, as one of them knows them.
struct LivingDaemons: Sendable {
    let count: Int
    /// How many stand before this one.
    let rank: Int
    /// The database's clock, when it was asked, and when that was on this machine.
    private let time: Date
    private let asked: ContinuousClock.Instant

    /// - Parameter asked: a slow answer lets a turn end earlier, and never later.
    init(_ board: DependencyLedger.Board, asked: ContinuousClock.Instant) {
        // whoever is not in the table yet comes last, as one more
        (count, rank) = board.isListed ? (board.daemons, board.rank) : (board.daemons + 1, board.daemons)
        (time, self.asked) = (board.now, asked)
    }

    func time(at now: ContinuousClock.Instant) -> Date { time.addingTimeInterval((now - asked) / .seconds(1)) }
}
