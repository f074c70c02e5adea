package import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sigstore
import Synchronization

/// Holds the trust of the moment and follows its rotations, so that nobody has to restart a daemon when a key changes.
///
/// What cannot be read, is malformed, or belongs to a lab never replaces what is in use: that is an alarm
/// (`countersign_trust_stale`, one log line with a stable code), and signing goes on with the material that was good.
package final class TrustKeeper: Sendable {
    private struct State {
        var current: Trust
        var documents: TrustDocuments?
        /// The failure of the last look, to report a lasting one once.
        var failure: TrustError?
        var running: Task<Result<Bool, TrustError>, Never>?
    }

    /// The services of that moment, out of a signing configuration or the daemon's own.
    package typealias ServiceRule = @Sendable (SigningConfig?, Date) throws(TrustError) -> InstanceServices

    /// What services must do for, besides being there; asked when documents are taken, not at each use.
    package typealias ServiceCheck = @Sendable (SigningConfig?, InstanceServices, Date) throws(TrustError) -> Void

    private let state: Mutex<State>
    private let source: (any TrustSource)?
    private let allowsLab: Bool
    private let demands: Verifier.Demands
    private let serviceRule: ServiceRule
    private let serviceCheck: ServiceCheck
    private let metrics: TrustMetrics
    private let logger: Logger
    private let nudged = JobSignal()

    /// Reads the source once; the daemon does not start without trust. While the source is away, what it said before and
    /// is still valid will do.
    /// - Parameters:
    ///   - allowsLab: whether a lab's root may be used: in development only.
    ///   - demands: of every signature that is verified.
    ///   - services: what of the documents must make sense for us, besides the root itself.
    ///   - check: what these services must do for. What is in use and fails it later stays in use, and is told.
    package init(
        _ source: any TrustSource, allowsLab: Bool, demanding demands: Verifier.Demands = .standard,
        services: @escaping ServiceRule = TrustKeeper.noServices,
        check: @escaping ServiceCheck = { _, _, _ throws(TrustError) in },
        metrics: TrustMetrics = TrustMetrics(MetricsRegistry()), logger: Logger
    ) async throws(TrustError) {
        var documents: TrustDocuments
        var failure: TrustError?
        do throws(TrustError) {
            documents = try await source.documents()
        } catch {
            guard error.isTransient, let kept = try? await source.keptDocuments() else { throw error }
            documents = kept
            failure = error
        }
        let trust = try Self.trust(documents, origin: source.origin, allowsLab: allowsLab, demands)
        let now = Date()
        try check(trust.signingConfig, try services(trust.signingConfig, now), now)
        state = Mutex(State(current: trust, documents: documents, failure: failure))
        self.source = source
        self.allowsLab = allowsLab
        self.demands = demands
        self.metrics = metrics
        self.logger = logger
        serviceRule = services
        serviceCheck = check
        if let failure { report(failure) } else { metrics.succeeded(trust) }
    }

    /// Trust that never changes: tests, and commands that run once.
    package init(
        fixed verifier: Verifier, signingConfig: SigningConfig? = nil,
        services: @escaping ServiceRule = TrustKeeper.noServices
    ) {
        state = Mutex(State(current: Trust(verifier: verifier, signingConfig: signingConfig, origin: "fixed")))
        source = nil
        allowsLab = true
        demands = verifier.demands
        metrics = TrustMetrics(MetricsRegistry())
        logger = Logger(label: "trust") { _ in SwiftLogNoOpLogHandler() }
        serviceRule = services
        serviceCheck = { _, _, _ throws(TrustError) in }
    }

    /// For those who only verify.
    package static let noServices: ServiceRule = { _, _ throws(TrustError) in
        InstanceServices(fulcio: nil, timestampAuthorities: [], logs: [])
    }

    /// The trust of this moment. Take it once for all checks of one artifact.
    package var current: Trust { state.withLock(\.current) }

    /// Where to sign now. Ask anew for every signing: services rotate, and nobody restarts for it.
    /// - Throws: ``TrustError/expired(origin:role:at:)`` if nothing vouches for the material any more: verifying with it goes
    ///   on, signing does not.
    package func services(at now: Date = Date()) throws(TrustError) -> InstanceServices {
        let trust = current
        if let role = trust.firstToExpire, role.expires <= now {
            throw .expired(origin: trust.origin, role: role.name, at: role.expires)
        }
        return try serviceRule(trust.signingConfig, now)
    }

    /// Whether it may change at all.
    var isFollowed: Bool { source != nil }

    /// Asks for a look soon: a log is frozen, a key is unknown. Returns at once.
    package func nudge() { nudged.raise() }

    /// Looks for a rotation now; those who ask meanwhile share the look.
    /// - Returns: whether something changed.
    /// - Throws: why the source could not be followed; ``current`` is then what it was.
    @discardableResult
    package func refresh() async throws(TrustError) -> Bool {
        guard let source else { return false }
        let look = state.withLock { state in
            if let running = state.running { return running }
            let look = Task { await self.look(at: source) }
            state.running = look
            return look
        }
        return try await look.value.get()
    }

    private func look(at source: any TrustSource) async -> Result<Bool, TrustError> {
        let result: Result<Bool, TrustError>
        do throws(TrustError) {
            result = .success(try take(try await source.documents(), from: source.origin))
            metrics.succeeded(current)
            if state.withLock({ $0.failure }) != nil {
                logger.notice("trust material can be refreshed again", metadata: ["trust.origin": "\(source.origin)"])
            }
            state.withLock { $0.failure = nil }
        } catch {
            result = .failure(error)
            let isNew = state.withLock { state in
                defer { state.failure = error }
                return state.failure?.code != error.code
            }
            if isNew { report(error) } else { metrics.failed(error.code) }
        }
        state.withLock { $0.running = nil }
        return result
    }

    private func report(_ error: TrustError) {
        metrics.failed(error.code)
        logger.error(
            "trust material could not be refreshed; the old one stays in use",
            metadata: ["error.code": "\(error.code)", "error": "\(error.observed)", "fix": "\(error.fix)"])
    }

    private func take(_ documents: TrustDocuments, from origin: String) throws(TrustError) -> Bool {
        let known = state.withLock { $0.documents }
        if let known, known.saysTheSame(as: documents) {
            // the same said anew: the verifier and what it remembers stay
            state.withLock { state in
                let current = state.current
                state.documents = documents
                state.current = Trust(
                    verifier: current.verifier, signingConfig: current.signingConfig, origin: current.origin,
                    readAt: current.readAt, roles: documents.roles)
            }
            // time alone ends services, and begins others
            try judge(current)
            return false
        }
        let trust = try Self.trust(documents, origin: origin, allowsLab: allowsLab, demands)
        try judge(trust)
        state.withLock { state in
            state.documents = documents
            state.current = trust
        }
        metrics.rotations.increment()
        logger.notice("trust material has changed", metadata: ["trust.origin": "\(origin)"])
        return true
    }

    private func judge(_ trust: Trust) throws(TrustError) {
        let now = Date()
        try serviceCheck(trust.signingConfig, try serviceRule(trust.signingConfig, now), now)
    }

    private static func trust(
        _ documents: TrustDocuments, origin: String, allowsLab: Bool, _ demands: Verifier.Demands
    ) throws(TrustError) -> Trust {
        let trust = try Trust(documents, origin: origin, demanding: demands)
        guard !trust.trustedRoot.isLab || allowsLab else { throw .lab(origin: origin) }
        return trust
    }
}

extension TrustKeeper: Service {
    /// The shortest pause between two looks, whoever asks.
    private static let shortestPause: Duration = .seconds(5)
    /// The longest pause after a look that failed: an update may have stopped half-way.
    private static let retryPause: Duration = .seconds(60)

    /// Looks at the source's interval, sooner after a failure, and soon after a ``nudge()``.
    package func run() async throws {
        guard let source else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let hasFailed = self.state.withLock { $0.failure != nil }
                let pause = hasFailed ? min(source.interval, Self.retryPause) : source.interval
                do { try await Task.sleep(for: Self.shortestPause) } catch { return }
                // jittered, so that replicas started together do not ask together
                await self.nudged.wait(upTo: (pause - Self.shortestPause) * Double.random(in: 0.8..<1.2))
                if Task.isCancelled { return }
                _ = try? await self.refresh()
            }
        }
    }
}
