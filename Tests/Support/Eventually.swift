/// Waits until the condition holds, looking again every few milliseconds. For integration tests of what another process
/// or thread does; throws when the time is up, which is long: with the whole suite at work a thread may wait for seconds.
public func eventually(
    _ what: String = "the condition", within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard .now < end else { throw SupportError("\(what) did not hold within \(limit)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
