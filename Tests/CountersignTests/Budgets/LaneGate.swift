import Curl
import Synchronization

@testable import Countersign

/// A gate that lets everything pass, and notes in which lanes it came.
final class LaneGate: HTTPGate {
    private let noted = Mutex<Set<Lane?>>([])

    var lanes: Set<Lane?> { noted.withLock(\.self) }

    func enter() async throws(HTTPError) -> HTTPPass {
        noted.withLock { _ = $0.insert(Lane.ofAttempt) }
        return HTTPPass()
    }

    func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass) {}
}
