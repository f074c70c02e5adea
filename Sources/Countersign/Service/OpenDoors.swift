import ServiceLifecycle
import Synchronization

/// Which doors of the daemon listen. Other services are held until all do: a daemon that cannot open one ends before it has
/// claimed or signed anything. What a door took that was opened before that one is stored, as ever.
final class OpenDoors: Sendable {
    private struct State {
        var closed = Set(Door.allCases)
        var held: [(doors: Set<Door>, opening: AsyncStream<Void>.Continuation)] = []
    }

    private let state = Mutex(State())

    /// Whether all of them listen.
    var areAllOpen: Bool { state.withLock { $0.closed.isEmpty } }

    func opened(_ door: Door) {
        let freed = state.withLock { state in
            state.closed.remove(door)
            return state.held.filter { $0.doors.isDisjoint(with: state.closed) }
        }
        for service in freed { service.opening.finish() }
    }

    func closed(_ doors: [Door]) { state.withLock { $0.closed.formUnion(doors) } }

    /// - Parameter doors: made ready before any of them is open.
    /// - Returns: the service, which begins once these doors listen.
    func hold(_ service: any Service, until doors: Set<Door> = Set(Door.allCases)) -> any Service {
        let (opening, continuation) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0.held.append((doors, continuation)) }
        if doors.isEmpty { continuation.finish() }
        return HeldService(service: service, opening: opening)
    }

    /// One listener after the other: none is about to open when one before it cannot.
    func inTurn(_ listeners: [HTTPListener]) -> [any Service] {
        var before: Set<Door> = []
        return listeners.map { listener in
            defer { before.formUnion(listener.doors) }
            return hold(ClosingService(listener: listener, doors: self), until: before)
        }
    }
}

/// A listener whose doors are closed when it ends.
private struct ClosingService: Service {
    let listener: HTTPListener
    let doors: OpenDoors

    func run() async throws {
        defer { doors.closed(listener.doors) }
        try await listener.run()
    }
}

private struct HeldService: Service {
    let service: any Service
    /// Ends when its doors listen.
    let opening: AsyncStream<Void>

    func run() async throws {
        await cancelWhenGracefulShutdown { for await _ in opening {} }
        try Task.checkCancellation()
        guard !Task.isShuttingDownGracefully else { return }
        try await service.run()
    }
}
