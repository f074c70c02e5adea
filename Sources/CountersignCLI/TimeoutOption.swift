import ArgumentParser

/// How long a command may take that reads what anybody may attach, from a registry that answers as it likes, and what logs
/// say of it.
struct TimeoutOption: ParsableArguments {
    @Option(help: "How long registry and logs may take in all, such as 10m; then status 3.")
    var timeout = DurationArgument(.seconds(180))

    /// The answer of `work`, which is stopped when the time is up.
    /// - Throws: ``CommandFailure`` if the time is up before there is one.
    func limit<Answer: Sendable>(_ work: @escaping @Sendable () async throws -> Answer) async throws -> Answer {
        let duration = timeout.duration
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: duration)
                return nil
            }
            guard let first = try await group.next(), let answer = first else {
                throw CommandFailure(
                    code: "verify.timeout", observed: "not all that is attached could be read within \(duration)",
                    fix: "try again, or give it longer (--timeout)")
            }
            return answer
        }
    }
}
