import Countersign
import Curl
import FoundationEssentials

/// Asks the daemon's API what became of each pushed digest, until all are settled or time is up.
struct StatusPoller: Sendable {
    let api: String
    let token: String?
    let http: HTTPClient

    /// What `GET /v1/artifacts` said of one digest.
    struct Outcome: Sendable {
        /// `repository@digest`
        let key: String
        let state: String
        let verifiedAt: Date?
        let logIndex: Int64?
        let identity: String?
        let error: String?
    }

    func outcomes(of pushed: [ImagePusher.Pushed], within limit: Duration) async throws -> [Outcome] {
        let deadline = ContinuousClock.now + limit
        var settled: [Outcome] = []
        var open = pushed
        while !open.isEmpty {
            let asked = try await ask(open)
            settled += asked.filter(\.isSettled).map(\.outcome)
            let done = Set(settled.map(\.key))
            let unsettled = asked.filter { !done.contains($0.outcome.key) }
            open = open.filter { !done.contains("\($0.repository)@\($0.digest)") }
            if open.isEmpty { break }
            if ContinuousClock.now > deadline { return settled + unsettled.map(\.outcome) }
            try await Task.sleep(for: .milliseconds(250))
        }
        return settled
    }

    private func ask(_ pushed: [ImagePusher.Pushed]) async throws -> [(outcome: Outcome, isSettled: Bool)] {
        try await withThrowingTaskGroup(of: (outcome: Outcome, isSettled: Bool).self) { group in
            var answers: [(outcome: Outcome, isSettled: Bool)] = []
            for (position, one) in pushed.enumerated() {
                if position >= 8, let answer = try await group.next() { answers.append(answer) }
                group.addTask { try await status(of: one) }
            }
            for try await answer in group { answers.append(answer) }
            return answers
        }
    }

    private func status(of one: ImagePusher.Pushed) async throws -> (outcome: Outcome, isSettled: Bool) {
        let host = one.reference.prefix { $0 != "/" }
        let reference = "\(host)/\(one.repository)@\(one.digest)"
        var headers = HTTPHeaders()
        if let token { headers["Authorization"] = "Bearer \(token)" }
        let key = "\(one.repository)@\(one.digest)"
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await http.send(
                HTTPRequest(
                    .get, "\(api)/v1/artifacts?ref=\(percentEncoded(reference))", headers: headers, route: .loopback))
        } catch {
            // a daemon that is killed meanwhile is part of what is measured
            return (
                Outcome(
                    key: key, state: "unreachable", verifiedAt: nil, logIndex: nil, identity: nil, error: "\(error)"),
                false
            )
        }
        guard response.status == 200 else {
            return (
                Outcome(
                    key: key, state: "http \(response.status)", verifiedAt: nil, logIndex: nil, identity: nil,
                    error: nil), false
            )
        }
        let answer = try JSONDecoder.service.decode(ArtifactAnswer.self, from: Data(response.body))
        let outcome = Outcome(
            key: key, state: answer.state, verifiedAt: answer.signature?.verifiedAt,
            logIndex: answer.signature?.logIndex, identity: answer.signature?.identity,
            error: answer.lastError.map { "\($0.code): \($0.observed)" })
        return (outcome, answer.isSettled)
    }
}
