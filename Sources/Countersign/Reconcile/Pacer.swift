/// Lets requests to one place through at an even rate, however many ask at once.
actor Pacer {
    private let gap: Duration
    private var next = ContinuousClock.now

    /// - Parameter rate: requests a second; above 0.
    init(rate: Int) { gap = .seconds(1) / rate }

    /// Returns when it is the caller's turn.
    /// - Throws: `CancellationError`.
    func pass() async throws {
        let turn = max(next, .now)
        next = turn + gap
        try await Task.sleep(until: turn, clock: .continuous)
    }
}
