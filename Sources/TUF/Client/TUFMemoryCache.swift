import Synchronization

/// A cache that ends with the process: for one look, and for tests.
public final class TUFMemoryCache: TUFCache {
    private struct State {
        var roots: [Int64: [UInt8]] = [:]
        var roles: [String: [UInt8]] = [:]
        var targets: [String: [UInt8]] = [:]
    }
    private let state = Mutex(State())

    /// An empty cache.
    public init() {}

    public func root(version: Int64) async throws(TUFError) -> [UInt8]? { state.withLock { $0.roots[version] } }

    public func storeRoot(_ bytes: [UInt8], version: Int64) async throws(TUFError) {
        state.withLock { $0.roots[version] = bytes }
    }

    public func metadata(of role: String) async throws(TUFError) -> [UInt8]? { state.withLock { $0.roles[role] } }

    public func store(_ bytes: [UInt8], of role: String, version: Int64, under root: Int64) async throws(TUFError) {
        state.withLock { $0.roles[role] = bytes }
    }

    public func forget(_ role: String, under root: Int64) async throws(TUFError) {
        state.withLock { $0.roles[role] = nil }
    }

    public func target(_ path: String) async throws(TUFError) -> [UInt8]? { state.withLock { $0.targets[path] } }

    public func storeTarget(_ bytes: [UInt8], path: String) async throws(TUFError) {
        state.withLock { $0.targets[path] = bytes }
    }

    /// Updates of one process are not kept apart: what they store is verified, and the last one stays.
    public func exclusively<Result: Sendable>(
        _ update: @Sendable () async throws(TUFError) -> Result
    ) async throws(TUFError) -> Result { try await update() }
}
