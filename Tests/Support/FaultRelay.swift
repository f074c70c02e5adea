import Dispatch
import Glibc
import Synchronization

/// A loopback HTTP relay in front of one server, for accidents at chosen requests: lost before the server saw them, lost
/// on the way back, answered by somebody else, or held as if their sender were frozen.
///
/// One connection a request, bodies with a `Content-Length`; enough for clients of our own.
public final class FaultRelay: Sendable {
    public struct Request: Sendable, Equatable {
        public let method: String
        /// Without the query.
        public let path: String
    }

    public enum Accident: Sendable {
        /// The connection closes; the server never saw the request.
        case lost
        /// The server carries the request out; the connection closes without its answer.
        case answerLost
        /// The server never sees the request.
        case answered(Int, headers: [(String, String)] = [], body: String = "")
        /// The server sees the request after this time.
        case late(Duration)
        /// The request waits before the server sees it.
        case held(Hold)
        /// The server has carried it out; the answer waits.
        case answerHeld(Hold)
    }

    /// A request that waits until it is let go.
    public final class Hold: Sendable {
        private let gate = DispatchSemaphore(value: 0)
        private let arrivals: AsyncStream<Void>
        private let arrived: AsyncStream<Void>.Continuation

        public init() { (arrivals, arrived) = AsyncStream.makeStream() }

        /// Returns once the request is held.
        public func reached() async { for await _ in arrivals { return } }

        public func release() { gate.signal() }

        fileprivate func wait() {
            arrived.finish()
            gate.wait()
        }
    }

    private struct Rule {
        let accident: Accident
        var remaining: Int
        let matches: @Sendable (Request) -> Bool
    }

    private struct State {
        var rules: [Rule] = []
        var requests: [Request] = []
    }

    public let port: Int
    private let server: Int
    private let listener: Int32
    private let state = Mutex(State())

    public var url: String { "http://127.0.0.1:\(port)" }

    /// What came so far.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// - Parameter server: a port of 127.0.0.1.
    public init(to server: Int) throws {
        self.server = server
        (listener, port) = try LoopbackSocket.listen()
        detachThread { [weak self, listener] in
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                guard let self else { break }
                detachThread { self.serve(connection) }
            }
            close(listener)
        }
    }

    /// The accepting thread closes the descriptor: closed here, its number could already be another server's.
    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Lets an accident happen to the next requests that match, `times` of them.
    public func next(
        _ accident: Accident, times: Int = 1, where matches: @escaping @Sendable (Request) -> Bool = { _ in true }
    ) {
        state.withLock { $0.rules.append(Rule(accident: accident, remaining: times, matches: matches)) }
    }

    /// No more accidents.
    public func heal() { state.withLock { $0.rules = [] } }

    private func accident(of request: Request) -> Accident? {
        state.withLock { state in
            state.requests.append(request)
            guard let index = state.rules.firstIndex(where: { $0.remaining > 0 && $0.matches(request) }) else {
                return nil
            }
            state.rules[index].remaining -= 1
            return state.rules[index].accident
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        guard let (request, bytes) = Self.readRequest(connection) else { return }
        switch accident(of: request) {
        case nil: answer(connection, forward(bytes))
        case .lost: return
        case .answerLost: _ = forward(bytes)
        case .answered(let status, let headers, let body):
            let lines = headers.map { "\($0): \($1)\r\n" }.joined()
            let head = "HTTP/1.1 \(status) Relay\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
            answer(connection, Array((head + lines + "\r\n" + body).utf8))
        case .late(let time):
            usleep(UInt32(time / .microseconds(1)))
            answer(connection, forward(bytes))
        case .held(let hold):
            hold.wait()
            answer(connection, forward(bytes))
        case .answerHeld(let hold):
            let bytes = forward(bytes)
            hold.wait()
            answer(connection, bytes)
        }
    }

    private func answer(_ connection: Int32, _ bytes: [UInt8]) { _ = LoopbackSocket.write(bytes, to: connection) }

    /// The server's whole answer; empty if it cannot be reached.
    private func forward(_ request: [UInt8]) -> [UInt8] {
        guard let upstream = try? LoopbackSocket.connect(to: server) else { return [] }
        defer { close(upstream) }
        var answer: [UInt8] = []
        guard LoopbackSocket.write(request, to: upstream) else { return [] }
        while LoopbackSocket.read(upstream, into: &answer) {}
        return Self.saysItCloses(answer)
    }

    /// A client that is not told may send its next request on the connection in the moment before it closes.
    private static func saysItCloses(_ answer: [UInt8]) -> [UInt8] {
        guard let line = answer.firstRange(of: Array("\r\n".utf8)) else { return answer }
        return answer[..<line.upperBound] + Array("Connection: close\r\n".utf8) + answer[line.upperBound...]
    }

    /// One request, and its bytes as they are passed on: the server closes after its answer, which is how its end is seen.
    private static func readRequest(_ connection: Int32) -> (Request, [UInt8])? {
        var buffer: [UInt8] = []
        let blank = Array("\r\n\r\n".utf8)
        while buffer.firstRange(of: blank) == nil {
            guard LoopbackSocket.read(connection, into: &buffer) else { return nil }
        }
        guard let end = buffer.firstRange(of: blank) else { return nil }
        let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: true)
        func name(_ line: Substring) -> String { line.prefix { $0 != ":" }.lowercased() }
        let length = lines.first { name($0) == "content-length" }
            .flatMap { Int($0.drop { $0 != ":" }.dropFirst().filter { $0 != " " }) }
        while buffer.count < end.upperBound + (length ?? 0) {
            guard LoopbackSocket.read(connection, into: &buffer) else { return nil }
        }
        let words = lines[0].split(separator: " ")
        let head = lines.filter { name($0) != "connection" }.joined(separator: "\r\n")
        let passedOn = Array((head + "\r\nConnection: close\r\n\r\n").utf8) + buffer[end.upperBound...]
        return (Request(method: String(words[0]), path: String(words[1].prefix { $0 != "?" })), passedOn)
    }
}
