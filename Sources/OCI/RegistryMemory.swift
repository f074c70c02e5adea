internal import Synchronization

/// What a client has learned about its registry. All of it may become wrong, and each part says how it heals.
final class RegistryMemory: Sendable {
    /// Whether the registry has a referrers API.
    enum ReferrersAPI: Equatable {
        case unknown
        /// Healed by the first 404.
        case present
        /// Healed by time, or by an `OCI-Subject` field that was not there when the absence was learned.
        case absent(until: ContinuousClock.Instant, acknowledgesSubjects: Bool)
    }

    private struct State {
        var referrers = ReferrersAPI.unknown
        /// Repositories that have the empty blob. Healed by `MANIFEST_BLOB_UNKNOWN`.
        var emptyBlobs: Set<String> = []
    }

    /// How long an absence is believed.
    private let absenceLifetime: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Mutex(State())

    /// More repositories than this are forgotten together.
    private static let repositoryLimit = 16_384

    init(absenceLifetime: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.absenceLifetime = absenceLifetime
        self.now = now
    }

    /// What is believed now.
    var referrersAPI: ReferrersAPI {
        let believed = state.withLock { $0.referrers }
        if case .absent(let until, _) = believed, until <= now() { return .unknown }
        return believed
    }

    /// Whether asking the API would be a request for nothing.
    var knowsReferrersAPIMissing: Bool {
        if case .absent = referrersAPI { true } else { false }
    }

    func referrersAPIAnswered() {
        state.withLock { $0.referrers = .present }
    }

    func referrersAPIMissing(acknowledgesSubjects: Bool) {
        let until = now() + absenceLifetime
        state.withLock { $0.referrers = .absent(until: until, acknowledgesSubjects: acknowledgesSubjects) }
    }

    /// A manifest push came back with `OCI-Subject`. ECR sent it without having the API, so it is a reason to ask,
    /// not a fact, and only once for each learned absence.
    func subjectAcknowledged() {
        state.withLock { state in
            if case .absent(_, acknowledgesSubjects: false) = state.referrers { state.referrers = .unknown }
        }
    }

    func hasEmptyBlob(_ repository: String) -> Bool {
        state.withLock { $0.emptyBlobs.contains(repository) }
    }

    func rememberEmptyBlob(_ repository: String) {
        state.withLock { state in
            if state.emptyBlobs.count >= Self.repositoryLimit { state.emptyBlobs.removeAll() }
            state.emptyBlobs.insert(repository)
        }
    }

    func forgetEmptyBlob(_ repository: String) {
        state.withLock { _ = $0.emptyBlobs.remove(repository) }
    }
}
