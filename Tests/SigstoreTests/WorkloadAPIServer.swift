import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// An HTTP/2 server of a few frames on a Unix socket (RFC 9113): enough to answer one gRPC call a connection, as SPIRE's
/// agent does. Header blocks are written as literals without Huffman codes and are not decoded, but looked through for the
/// Huffman codes of what must stand there.
final class WorkloadAPIServer: Sendable {
    struct Call: Sendable {
        let headers: [UInt8]
        let body: [UInt8]
    }

    /// What is answered: `nil` body means that the status comes at once ("Trailers-Only").
    struct Answer: Sendable {
        var body: [UInt8]?
        var status = "0"
        var message: String?
        var httpStatus = "200"
    }

    let path: String
    private let listener: Int32
    private let seen = Mutex<[Call]>([])
    private let script: @Sendable (Call) -> Answer?

    var calls: [Call] { seen.withLock { $0 } }

    init(path: String, _ script: @escaping @Sendable (Call) -> Answer?) throws {
        self.path = path
        self.script = script
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let ready = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 && listen(socket, 8) == 0
            }
        }
        guard ready else { throw POSIXError(.EADDRNOTAVAIL) }
        listener = socket
        DispatchQueue(label: "workload API").async { [self] in
            while case let peer = accept(socket, nil, nil), peer >= 0 {
                // a thread each: those that wait for their client would use up the global ones
                DispatchQueue(label: "workload API connection").async { [self] in
                    serve(peer)
                    close(peer)
                }
            }
            close(socket)
        }
    }

    func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ peer: Int32) {
        var input: [UInt8] = []
        func take(_ count: Int) -> [UInt8]? {
            while input.count < count {
                var part = [UInt8](repeating: 0, count: 65536)
                let received = recv(peer, &part, part.count, 0)
                guard received > 0 else { return nil }
                input += part.prefix(received)
            }
            defer { input.removeFirst(count) }
            return Array(input.prefix(count))
        }
        guard take(24) == Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) else { return }
        write(peer, frame(4, 0, 0, []))
        var headers: [UInt8] = []
        var body: [UInt8] = []
        while let head = take(9) {
            let length = head[0..<3].reduce(0) { $0 << 8 | Int($1) }
            guard let payload = take(length) else { return }
            let (type, flags, stream) = (head[3], head[4], head[8])
            switch type {
            case 0: body += payload
            case 1: headers += payload
            case 4 where flags & 1 == 0: write(peer, frame(4, 1, 0, []))
            default: break
            }
            guard type <= 1, flags & 1 == 1 else { continue }
            let call = Call(headers: headers, body: body)
            seen.withLock { $0.append(call) }
            guard let answer = script(call) else { return }
            write(peer, response(answer, stream))
            // until the client goes
            while take(1) != nil {}
            return
        }
    }

    private func response(_ answer: Answer, _ stream: UInt8) -> [UInt8] {
        var status = [("grpc-status", answer.status)]
        if let message = answer.message { status.append(("grpc-message", message)) }
        let head = [(":status", answer.httpStatus), ("content-type", "application/grpc")]
        guard let body = answer.body else { return frame(1, 5, stream, block(head + status)) }
        let chunks = stride(from: 0, to: max(body.count, 1), by: 16000).flatMap {
            frame(0, 0, stream, Array(body[$0..<min($0 + 16000, body.count)]))
        }
        return frame(1, 4, stream, block(head)) + chunks + frame(1, 5, stream, block(status))
    }

    /// Literal header fields without indexing, new names (RFC 7541 §6.2.2).
    private func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + [UInt8($0.0.utf8.count)] + $0.0.utf8 + [UInt8($0.1.utf8.count)] + $0.1.utf8 }
    }

    private func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [
            UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255), type, flags, 0, 0,
            0, stream,
        ]
            + payload
    }

    private func write(_ peer: Int32, _ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            sent += count
        }
    }
}
