import Countersign
import FoundationEssentials
import Glibc

/// Waiting for what a daemon does, through its restarts: a question that meets one is asked again until the time is up. What
/// is waited for goes on without whoever waits, so that one answer that did not come says nothing about it.
struct Patience {
    private let deadline: ContinuousClock.Instant
    private let goesOn: Bool
    private var hasTold = false

    /// - Parameter goesOn: whether something was asked for that goes on when the time is up.
    init(for limit: Duration, goesOn: Bool = true) {
        deadline = .now + limit
        self.goesOn = goesOn
    }

    /// What is left of the time.
    var left: Duration { max(deadline - .now, .zero) }

    var isOver: Bool { left == .zero }

    /// Asks until there is an answer. What passes by itself (no answer, 429, 5xx, another's 404) is asked for again after a
    /// pause that grows from half a second to five, and told on standard error the first time.
    /// - Throws: at once what does not pass; what was seen last when time is up, with the status of ``timeIsUp(_:fix:)`` where
    ///   something goes on.
    mutating func ask<Answer>(_ question: () async throws -> Answer) async throws -> Answer {
        var pause = Duration.milliseconds(500)
        while true {
            do {
                return try await question()
            } catch let failure as CommandFailure where failure.isPassing {
                guard !isOver else {
                    guard goesOn else { throw failure }
                    throw Self.timeIsUp(failure.observed, fix: "What was asked for goes on: ask how far it is.")
                }
                tell(failure)
                try await Task.sleep(for: min(pause, max(left, .milliseconds(1))))
                pause = min(pause * 3 / 2, .seconds(5))
            }
        }
    }

    /// Sleeps, no longer than the time that is left.
    func pause(_ length: Duration) async throws { try await Task.sleep(for: min(length, left)) }

    private mutating func tell(_ failure: CommandFailure) {
        guard !hasTold else { return }
        hasTold = true
        // over a progress bar, if there is one
        let start = isatty(STDERR_FILENO) == 1 ? "\r\u{1b}[K" : ""
        Console.error(
            "\(start)asking again until the time is up: \(failure.observed.printable) [\(failure.code.printable)]")
    }

    /// The time was up before the end was there: neither yes nor no.
    static func timeIsUp(_ observed: String, fix: String) -> CommandFailure {
        CommandFailure(code: "wait.timeout", observed: "the time is up: \(observed)", fix: fix, status: 4)
    }
}
