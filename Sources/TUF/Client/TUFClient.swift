public import FoundationEssentials

/// A client of one TUF repository (specification 1.0.34): follows its metadata and gives targets that it vouches for.
public struct TUFClient: Sendable {
    private let pinnedRoot: [UInt8]
    let repository: any TUFRepository
    let cache: any TUFCache
    let limits: TUFLimits

    /// - Parameters:
    ///   - pinnedRoot: a root.json of the repository that came by a way you trust; any version, expired or not.
    public init(
        pinnedRoot: [UInt8], repository: any TUFRepository, cache: any TUFCache, limits: TUFLimits = TUFLimits()
    ) {
        self.pinnedRoot = pinnedRoot
        self.repository = repository
        self.cache = cache
        self.limits = limits
    }

    /// Runs one update (section 5 of the specification, up to 5.6.6) and keeps what it learned, step by step.
    /// - Parameter now: 5.1, the moment against which everything's expiration is held.
    /// - Throws: the first check that failed. What was verified before it is kept, as the specification wants.
    public func update(at now: Date = Date()) async throws(TUFError) -> TUFSession {
        try await cache.exclusively { () async throws(TUFError) -> TUFSession in
            var session = try await session(at: now, isOffline: false, acceptsExpired: false)
            try await session.update()
            return session
        }
    }

    /// What the cache holds, verified from the pinned root on, without asking the repository.
    /// - Parameter acceptsExpired: whether metadata past its time will do: only to verify what is old, never to sign.
    public func cached(at now: Date = Date(), acceptsExpired: Bool = false) async throws(TUFError) -> TUFSession {
        var session = try await session(at: now, isOffline: true, acceptsExpired: acceptsExpired)
        try await session.loadCached()
        return session
    }

    /// 5.2, and the chain of roots that was trusted before, each vouched for by the one before it.
    private func session(
        at now: Date, isOffline: Bool, acceptsExpired: Bool
    ) async throws(TUFError) -> TUFSession {
        var trusted = try TrustedMetadata(root: pinnedRoot, startedAt: now, acceptsExpired: acceptsExpired)
        var current = pinnedRoot
        while let next = try await cache.root(version: trusted.root.version + 1) {
            // a root that does not follow (another repository's, a damaged file) is not there
            guard (try? trusted.update(root: next)) != nil else { break }
            current = next
        }
        if !isOffline, try await cache.metadata(of: "root") != current {
            try await cache.store(current, of: "root", version: trusted.root.version, under: trusted.root.version)
        }
        return TUFSession(client: self, trusted: trusted, isOffline: isOffline)
    }
}
