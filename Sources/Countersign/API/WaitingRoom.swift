import HTTPTypes
import ServiceLifecycle
import Synchronization

/// Where readers wait for a final state: so many at a time, and none beyond the daemon's own end.
final class WaitingRoom: Sendable {
    private let places: Int
    private let waiters: Gauge
    private let taken = Mutex(0)

    /// - Parameter waiters: shows how many places are taken.
    init(places: Int, waiters: Gauge) {
        self.places = places
        self.waiters = waiters
    }

    /// Runs `body` in a place of the room.
    /// - Throws: 503 when all places are taken.
    func waiting<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        let place = try place()
        defer { withExtendedLifetime(place) {} }
        return try await body()
    }

    /// One place, taken for as long as somebody holds it.
    final class Place: Sendable {
        private let room: WaitingRoom

        fileprivate init(_ room: WaitingRoom) { self.room = room }

        deinit { room.count(-1) }
    }

    /// A place for an answer that outlives its handler.
    /// - Throws: 503 when all places are taken.
    func place() throws(Problem) -> Place {
        let hasPlace = taken.withLock { taken in
            guard taken < places else { return false }
            taken += 1
            waiters.set(Double(taken))
            return true
        }
        guard hasPlace else {
            throw Problem(
                .serviceUnavailable, "api.too_many_waiters",
                "\(places) readers are waiting already; ask without 'wait'",
                retryAfter: .seconds(5))
        }
        return Place(self)
    }

    private func count(_ change: Int) {
        taken.withLock { taken in
            taken += change
            waiters.set(Double(taken))
        }
    }

    /// Pauses; false, and at once, when the daemon has been told to stop.
    /// - Throws: `CancellationError` when the reader has gone.
    static func pause(for span: Duration) async throws -> Bool {
        do {
            try await cancelWhenGracefulShutdown { try await Task.sleep(for: span) }
        } catch is CancellationError {
            try Task.checkCancellation()
        }
        return !Task.isShuttingDownGracefully
    }
}
