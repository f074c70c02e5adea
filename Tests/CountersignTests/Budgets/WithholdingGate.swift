import Curl
import Synchronization

/// A gate that withholds the next requests, and lets all others pass.
final class WithholdingGate: HTTPGate {
    private struct State {
        var passing = 0
        var withheld = 0
        var code = ""
    }

    private let state = Mutex(State())

    /// Withholds so many requests, after letting so many pass.
    func withhold(_ count: Int, after passing: Int = 0, _ code: String = "budget.exhausted") {
        state.withLock { $0 = State(passing: passing, withheld: count, code: code) }
    }

    func enter() async throws(HTTPError) -> HTTPPass {
        let code: String? = state.withLock { state in
            guard state.passing == 0 else {
                state.passing -= 1
                return nil
            }
            guard state.withheld > 0 else { return nil }
            state.withheld -= 1
            return state.code
        }
        guard let code else { return HTTPPass() }
        throw .withheld(Withheld(code: code, upstream: "registry r", observed: "test", after: .milliseconds(1)))
    }

    func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass) {}
}
