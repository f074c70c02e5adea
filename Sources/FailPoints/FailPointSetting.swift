/// One fail point as it is set from outside: `after-prepare:kill`, `before-log:hang:15`, `after-log:drop@3`.
///
/// Side and step, what happens there, and at which passage (the first, unless it says another). It happens once in a
/// process's life.
package struct FailPointSetting: Sendable, Equatable {
    /// The environment variable that it is read from.
    package static let variable = "COUNTERSIGN_FAIL_POINT"

    package enum Side: String, Sendable {
        case before, after
    }

    package enum Action: Sendable, Equatable {
        /// The process dies as by SIGKILL.
        case kill
        /// The step fails, as its service's failures do.
        case error
        /// The whole process stands still, heartbeats and all, and goes on after so many seconds.
        case hang(seconds: Int)
        /// The step was done and its answer is lost.
        case drop
    }

    package let side: Side
    /// The step's name, words joined by `-`.
    package let step: String
    package let action: Action
    /// Counted from 1.
    package let passage: Int

    /// - Throws: ``FailPointError/malformed(_:)``. Whether the step exists is seen when it is armed.
    package init(parsing text: String) throws(FailPointError) {
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        let words = halves[0].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard halves.count <= 2, words.count >= 2, let dash = words[0].firstIndex(of: "-"),
            let side = Side(rawValue: String(words[0][..<dash]))
        else { throw .malformed(text) }
        switch (words[1], words.count) {
        case ("kill", 2): action = .kill
        case ("error", 2): action = .error
        case ("drop", 2): action = .drop
        case ("hang", 3):
            guard let seconds = Int(words[2]), (1...3_600).contains(seconds) else { throw .malformed(text) }
            action = .hang(seconds: seconds)
        default: throw .malformed(text)
        }
        guard let passage = halves.count == 1 ? 1 : Int(halves[1]), passage >= 1 else { throw .malformed(text) }
        self.side = side
        step = String(words[0][words[0].index(after: dash)...])
        self.passage = passage
    }
}

/// Why a fail point cannot be set.
package enum FailPointError: Error, Sendable, Equatable {
    /// The package was built without fail points.
    case notCompiledIn
    /// Not `SIDE-STEP:ACTION`, or an action that does not exist.
    case malformed(String)
    /// There is no such step.
    case unknown(String)
    /// A lost answer, at a place where none is awaited.
    case noAnswer(String)
}

extension FailPointError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notCompiledIn: "this build has no fail points"
        case .malformed(let text): "'\(text)' is not before-STEP or after-STEP with kill, error, hang:SECONDS or drop"
        case .unknown(let step): "there is no step '\(step)'"
        case .noAnswer(let place): "no answer can be lost at \(place)"
        }
    }
}
