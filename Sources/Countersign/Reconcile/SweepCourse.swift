import Synchronization

/// Who goes next in one registry, so that whoever asks again and again keeps nobody from their turn; and when the listing of its
/// repositories began that is under way.
///
/// What one daemon remembers, and nothing that another would miss: one that takes over begins to count anew, and at the worst
/// lists the repositories once more.
final class SweepCourse: Sendable {
    private struct State {
        /// Pages in a row of what somebody asked for.
        var asked = 0
        /// Pages of repositories that come before their names are listed again.
        var repositories = 0
        var listingBegan: String?
    }

    private let state = Mutex(State())

    /// Pages of what somebody asked for, after which one passes that is only due.
    private static let askedInARow = 4
    /// Pages of repositories between two listings of their names.
    private static let betweenListings = 20

    /// Whether it is time for what nobody asked for.
    var letsScheduledPass: Bool { state.withLock { $0.asked >= Self.askedInARow } }

    /// Whether repositories that are due come before another listing of their names.
    var repositoriesComeFirst: Bool { state.withLock { $0.repositories > 0 } }

    /// When the listing under way began, by the database's clock; nil if another daemon began it. Never too late: one that was
    /// begun since by another is younger.
    var listingBegan: String? { state.withLock { $0.listingBegan } }

    /// A page of a repository's tags is asked for.
    func takes(asked: Bool) {
        state.withLock {
            $0.asked = asked ? $0.asked + 1 : 0
            $0.repositories = max(0, $0.repositories - 1)
        }
    }

    /// The first page of the names is asked for.
    func beginsListing(at moment: String) { state.withLock { $0.listingBegan = moment } }

    /// All names are known.
    func endsListing() { state.withLock { $0.repositories = Self.betweenListings } }
}
