@testable import Countersign

// What daemons do beside their attempts, and the calm in which all of them do it in turn.
extension Simulation {
    mutating func claim(_ daemon: Int) {
        let free = Self.slots - daemons[daemon].attempts.count
        guard free > 0, !daemons[daemon].attempts.contains(where: \.isAlone) else { return }
        let fault = fault()
        guard fault != .error else { return }
        let held = queue.claim(limit: free, lanes: daemons[daemon].lanes.next())
        guard fault != .lost else { return }
        for held in held.filter({ $0.crashes < queue.crashLimit }) {
            tell("daemon \(daemon) claims \(held.target) (token \(held.token))")
            daemons[daemon].attempts.append(SimulatedAttempt(held))
        }
        for held in held.filter({ $0.crashes >= queue.crashLimit }) {
            guard daemons[daemon].attempts.isEmpty, (try? queue.markAlone(held)) != nil else {
                _ = queue.putBack(held.back(error: nil, delay: .zero, uncounted: 1, failures: 0))
                continue
            }
            tell("daemon \(daemon) claims \(held.target), to run alone (token \(held.token))")
            daemons[daemon].attempts.append(SimulatedAttempt(held, isAlone: true))
        }
    }

    mutating func heartbeat(_ daemon: Int) {
        guard fault() != .error else { return }
        let beat = queue.heartbeat(daemons[daemon].attempts.map(\.held))
        for slot in daemons[daemon].attempts.indices {
            let token = daemons[daemon].attempts[slot].held.token
            if beat.lost.contains(token) || beat.cancelled.contains(token) {
                daemons[daemon].attempts[slot].isStopped = true
            }
        }
    }

    mutating func rescue() {
        var dice = dice
        queue.rescue { dice.unit() }
        self.dice = dice
    }

    // MARK: The calm

    /// Everybody is awake, nothing fails, and each attempt goes on: now every job must end.
    mutating func calmDown() {
        isCalm = true
        for daemon in daemons.indices { daemons[daemon].frozenUntil = 0 }
        for image in robbed.sorted() { queue.push(image, lane: .bulk) }
        for _ in 0..<300 where violation == nil && !queue.jobs.isEmpty {
            rescue()
            for daemon in daemons.indices {
                heartbeat(daemon)
                claim(daemon)
            }
            check()
            while violation == nil, let daemon = daemons.firstIndex(where: { !$0.attempts.isEmpty }) {
                advance(daemon, dice.below(daemons[daemon].attempts.count))
                check()
            }
            if let next = queue.nextEvent, !queue.jobs.contains(where: { !$0.isLeased && $0.runAt <= queue.now }) {
                queue.now = next
                outside.arrive(by: next)
            }
        }
        if violation == nil, !queue.jobs.isEmpty {
            violate(
                "does not end: \(queue.jobs.map { "\($0.target) at attempt \($0.attempt)" }.joined(separator: ", "))")
        }
    }
}
