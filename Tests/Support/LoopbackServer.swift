import Glibc
import Synchronization

/// A small HTTP/1.1 server on loopback, unless told otherwise, a free port and plain sockets: one thread a connection, one
/// script for all.
///
/// The script sees a request and says what happens on the wire, down to raw bytes and closed connections.
public final class LoopbackServer: Sendable {
    public struct Request: Sendable {
        public var method = ""
        public var path = ""
        public var headers: [(name: String, value: String)] = []
        public var body: [UInt8] = []
        /// 1 for the first request of its connection.
        public var numberOnConnection = 0

        public func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    public enum Action: Sendable {
        case answer(_ status: Int, _ headers: [(String, String)] = [], _ body: [UInt8] = [])
        /// These bytes as they are, then the connection closes.
        case raw([UInt8])
        /// The connection closes without a byte.
        case drop
        /// Nothing is written until `release()`; then 200.
        case hold
    }

    private struct State {
        var requests: [Request] = []
        var connections = 0
        var open: Set<Int32> = []
        var isReleased = false
    }

    public let port: Int
    private let address: String
    private let listener: Int32
    private let state = Mutex(State())
    private let script: @Sendable (Request) -> Action
    private let arrivals: AsyncStream<Request>
    private let arrived: AsyncStream<Request>.Continuation

    public var url: String { "http://\(address):\(port)" }
    public var requests: [Request] { state.withLock { $0.requests } }
    public var connections: Int { state.withLock { $0.connections } }

    /// - Parameter address: an IPv4 address of this machine.
    public init(at address: String = "127.0.0.1", _ script: @escaping @Sendable (Request) -> Action) throws {
        self.script = script
        self.address = address
        (arrivals, arrived) = AsyncStream.makeStream()
        (listener, port) = try Self.listen(at: address)
        let unmanaged = Unmanaged.passRetained(self)
        Self.detach(unmanaged.toOpaque()) { context in
            Unmanaged<LoopbackServer>.fromOpaque(context).takeRetainedValue().acceptAll()
        }
    }

    /// The next request that the server has read whole.
    public func nextRequest() async -> Request? {
        for await request in arrivals { return request }
        return nil
    }

    /// Lets every held answer go, now and later.
    public func release() {
        state.withLock { $0.isReleased = true }
    }

    /// Ends the listener and every connection.
    public func stop() {
        release()
        Glibc.shutdown(listener, Int32(SHUT_RDWR))
        state.withLock { for socket in $0.open { Glibc.shutdown(socket, Int32(SHUT_RDWR)) } }
        arrived.finish()
    }

    /// A call of the socket interface that failed, with its errno.
    public struct Failure: Error {
        let call: String
        let number: Int32

        public init(call: String, number: Int32) { (self.call, self.number) = (call, number) }
    }

    private static func listen(at host: String) throws -> (Int32, Int) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Failure(call: "socket", number: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw Failure(call: "inet_pton", number: errno) }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && Glibc.listen(socket, 512) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard bound else { throw Failure(call: "bind", number: errno) }
        return (socket, Int(UInt16(bigEndian: address.sin_port)))
    }

    private static func detach(
        _ context: UnsafeMutableRawPointer, _ body: @escaping @Sendable (UnsafeMutableRawPointer) -> Void
    ) {
        final class Start: Sendable {
            nonisolated(unsafe) let context: UnsafeMutableRawPointer
            let body: @Sendable (UnsafeMutableRawPointer) -> Void
            init(_ context: UnsafeMutableRawPointer, _ body: @escaping @Sendable (UnsafeMutableRawPointer) -> Void) {
                (self.context, self.body) = (context, body)
            }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { start in
                guard let start else { return nil }
                let this = Unmanaged<Start>.fromOpaque(start).takeRetainedValue()
                this.body(this.context)
                return nil
            }, Unmanaged.passRetained(Start(context, body)).toOpaque())
        pthread_detach(thread)
    }

    private final class Connection: Sendable {
        let server: LoopbackServer
        let socket: Int32
        init(_ server: LoopbackServer, _ socket: Int32) { (self.server, self.socket) = (server, socket) }
    }

    private func acceptAll() {
        while true {
            let socket = accept(listener, nil, nil)
            guard socket >= 0 else { break }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            state.withLock {
                $0.connections += 1
                $0.open.insert(socket)
            }
            let connection = Unmanaged.passRetained(Connection(self, socket)).toOpaque()
            Self.detach(connection) { context in
                let connection = Unmanaged<Connection>.fromOpaque(context).takeRetainedValue()
                connection.server.serve(connection.socket)
            }
        }
        close(listener)
    }

    private func serve(_ socket: Int32) {
        var buffer: [UInt8] = []
        var number = 0
        while var request = Self.readRequest(socket, &buffer) {
            number += 1
            request.numberOnConnection = number
            let recorded = request
            state.withLock { $0.requests.append(recorded) }
            arrived.yield(recorded)
            guard perform(script(recorded), on: socket, for: recorded) else { break }
        }
        _ = state.withLock { $0.open.remove(socket) }
        // a process spawned at the wrong moment may hold a copy: closing alone would then not end the connection
        Glibc.shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    /// False when the connection is to be closed.
    private func perform(_ action: Action, on socket: Int32, for request: Request) -> Bool {
        switch action {
        case .answer(let status, let headers, let body):
            var head = "HTTP/1.1 \(status) Status\r\n"
            for (name, value) in headers { head += "\(name): \(value)\r\n" }
            if !headers.contains(where: { $0.0.lowercased() == "content-length" }) {
                head += "Content-Length: \(body.count)\r\n"
            }
            return Self.write(Array((head + "\r\n").utf8) + (request.method == "HEAD" ? [] : body), to: socket)
        case .raw(let bytes):
            _ = Self.write(bytes, to: socket)
            return false
        case .drop:
            return false
        case .hold:
            while !state.withLock({ $0.isReleased }) {
                // a peer that goes away ends the wait
                var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
                if poll(&poller, 1, 5) > 0 { return false }
            }
            return perform(.answer(200, [("Connection", "close")]), on: socket, for: request)
        }
    }

    private static func write(_ bytes: [UInt8], to socket: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func readRequest(_ socket: Int32, _ buffer: inout [UInt8]) -> Request? {
        func more() -> Bool {
            var part = [UInt8](repeating: 0, count: 65536)
            let count = recv(socket, &part, part.count, 0)
            guard count > 0 else { return false }
            buffer += part.prefix(count)
            return true
        }
        let end = Array("\r\n\r\n".utf8)
        var headLength: Int?
        while headLength == nil {
            if buffer.count >= 4 {
                headLength = (0...buffer.count - 4).first { buffer[$0..<$0 + 4].elementsEqual(end) }
            }
            if headLength == nil, !more() { return nil }
        }
        guard let headLength else { return nil }
        var lines = String(decoding: buffer[..<headLength], as: UTF8.self).split(separator: "\r\n")[...]
        let first = lines.removeFirst().split(separator: " ")
        guard first.count == 3 else { return nil }
        var request = Request(method: String(first[0]), path: String(first[1]))
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            request.headers.append((String(line[..<colon]), String(value)))
        }
        let length = request.header("Content-Length").flatMap { Int($0) } ?? 0
        while buffer.count < headLength + 4 + length { if !more() { return nil } }
        request.body = Array(buffer[headLength + 4..<headLength + 4 + length])
        buffer.removeFirst(headLength + 4 + length)
        return request
    }
}
