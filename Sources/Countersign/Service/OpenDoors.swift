import ServiceLifecycle
import Synchronization

/// Which doors of the daemon listen. The other services are held until all do: a daemon that cannot open one ends before it has
/// claimed or written anything.
final class OpenDoors: Sendable {
    private struct State {
        var closed = Set(Door.allCases)
        var held: [AsyncStream<Void>.Continuation] = []
    }

    private let state = Mutex(State())

    func opened(_ door: Door) {
        let held = state.withLock { state in
            state.closed.remove(door)
            return state.closed.isEmpty ? state.held : []
        }
        for service in held { service.finish() }
    }

    /// - Returns: the service, which begins once every door listens. Made before the first of them runs.
    func hold(_ service: any Service) -> any Service {
        let (opening, continuation) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0.held.append(continuation) }
        return HeldService(service: service, opening: opening)
    }
}

private struct HeldService: Service {
    let service: any Service
    /// Ends when every door listens.
    let opening: AsyncStream<Void>

    func run() async throws {
        await cancelWhenGracefulShutdown { for await _ in opening {} }
        try Task.checkCancellation()
        try await service.run()
    }
}
