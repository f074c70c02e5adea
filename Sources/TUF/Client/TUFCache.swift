/// What was trusted in earlier updates: it protects against rollbacks, and serves while the repository is away.
///
/// Nothing in it is believed because it is there: the pinned root vouches for every root in it, and the last of these for
/// the rest. So a cache is no place of trust; who can change it can make us forget, but not believe.
public protocol TUFCache: Sendable {
    /// The root of exactly that version, if it was stored.
    func root(version: Int64) async throws(TUFError) -> [UInt8]?
    /// Adds a root to the chain from the pinned one to the current one.
    func storeRoot(_ bytes: [UInt8], version: Int64) async throws(TUFError)

    /// The last trusted metadata of a role: `root`, `timestamp`, `snapshot`, `targets` or a delegated role's name.
    func metadata(of role: String) async throws(TUFError) -> [UInt8]?
    /// Stores exactly these bytes. Where several clients share the cache, what is newer by (`root`, `version`) stays.
    func store(_ bytes: [UInt8], of role: String, version: Int64, under root: Int64) async throws(TUFError)
    /// Forgets a role, after its keys were rotated in that root (recovery from a fast-forward attack, 5.3.11).
    func forget(_ role: String, under root: Int64) async throws(TUFError)

    /// A target that was fetched before; the caller checks it against its metadata.
    func target(_ path: String) async throws(TUFError) -> [UInt8]?
    /// Keeps a verified target in place of the one of that path.
    func storeTarget(_ bytes: [UInt8], path: String) async throws(TUFError)

    /// Runs one update while no other client that shares this cache runs one.
    func exclusively<Result: Sendable>(
        _ update: @Sendable () async throws(TUFError) -> Result
    ) async throws(TUFError) -> Result
}
