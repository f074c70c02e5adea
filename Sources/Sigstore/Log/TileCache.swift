import Synchronization

/// Full hash tiles that were checked against a root; they never change. The least recently used are dropped.
final class TileCache: Sendable {
    struct Place: Hashable {
        let level: Int
        let index: UInt64
    }

    /// A tile and the root of the subtree that its hashes make.
    struct Tile: Sendable {
        let hashes: [UInt8]
        let root: [UInt8]
    }

    private struct State {
        var tiles: [Place: (tile: Tile, used: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// Room for `capacity` tiles of 8 KiB.
    init(capacity: Int = 512) { self.capacity = max(4, capacity) }

    var count: Int { state.withLock { $0.tiles.count } }

    func tile(_ place: Place) -> Tile? {
        state.withLock { state in
            state.clock += 1
            guard let found = state.tiles[place]?.tile else { return nil }
            state.tiles[place] = (found, state.clock)
            return found
        }
    }

    func remember(_ tile: Tile, at place: Place) {
        state.withLock { state in
            state.clock += 1
            state.tiles[place] = (tile, state.clock)
            guard state.tiles.count > capacity else { return }
            // a quarter at once, so that the search for the oldest is not repeated for every tile
            for (place, _) in state.tiles.sorted(by: { $0.value.used < $1.value.used }).prefix(capacity / 4) {
                state.tiles[place] = nil
            }
        }
    }
}
