internal import Synchronization

/// What a client has learned about its registry. All of it may become wrong, and each part says how it heals.
final class RegistryMemory: Sendable {
    /// Whether the registry has a referrers API.
    enum ReferrersAPI: Equatable {
        case unknown
        /// Healed by the first 404 in the registry's own form, and by one in another once that lasts.
        case present
        /// Healed by time, or by an `OCI-Subject` field that was not there when the absence was learned.
        case absent(until: ContinuousClock.Instant, acknowledgesSubjects: Bool)
    }

    private struct State {
        var referrers = ReferrersAPI.unknown
        /// Repositories that have the empty blob. Healed by `MANIFEST_BLOB_UNKNOWN`.
        var emptyBlobs: Set<String> = []
        /// Repositories in which a present API is missed, and since when. Healed by the next answer of it.
        var missed: [String: ContinuousClock.Instant] = [:]
    }

    /// How long an absence is believed, and how long a present API is missed before it is taken for gone.
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

    func referrersAPIAnswered(in repository: String) {
        state.withLock { state in
            state.referrers = .present
            _ = state.missed.removeValue(forKey: repository)
        }
    }

    /// Whether an answer that need not be the registry's own shows that it has no API. A proxy says the same of what it does not
    /// reach, so it is not believed at once where the API was there.
    func believesReferrersAPIMissing(in repository: String) -> Bool {
        let time = now()
        return state.withLock { state in
            guard state.referrers == .present else { return true }
            if let since = state.missed[repository] { return since + absenceLifetime <= time }
            if state.missed.count >= Self.repositoryLimit { state.missed.removeAll() }
            state.missed[repository] = time
            return false
        }
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
