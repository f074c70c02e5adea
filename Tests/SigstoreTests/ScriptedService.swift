import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// An HTTP/1.1 server on 127.0.0.1 and a free port that answers by a script, one request a connection.
final class ScriptedService: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        let head: String
        let body: [UInt8]
    }

    enum Answer: Sendable {
        case json(Int, String, headers: [String] = [])
        case bytes(Int, [UInt8])
        /// The request is read whole and the connection closed without a byte.
        case lost
    }

    let url: String
    private let listener: Int32
    private let seen = Mutex<[Request]>([])
    private let script: @Sendable (Request) -> Answer

    var requests: [Request] { seen.withLock { $0 } }

    init(_ script: @escaping @Sendable (Request) -> Answer) throws {
        self.script = script
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let ready = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 128) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard ready else { throw POSIXError(.EADDRNOTAVAIL) }
        listener = socket
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        DispatchQueue(label: "scripted service").async { [self] in
            while case let peer = accept(socket, nil, nil), peer >= 0 {
                DispatchQueue(label: "scripted connection").async { [self] in serve(peer) }
            }
            close(socket)
        }
    }

    func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ peer: Int32) {
        defer { close(peer) }
        guard let request = Self.read(peer) else { return }
        seen.withLock { $0.append(request) }
        let (status, headers, body): (Int, [String], [UInt8])
        switch script(request) {
        case .lost: return
        case .json(let code, let text, let more): (status, headers, body) = (code, more, Array(text.utf8))
        case .bytes(let code, let bytes): (status, headers, body) = (code, [], bytes)
        }
        let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.count)", "Connection: close"] + headers
        let answer = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
        var sent = 0
        while sent < answer.count {
            let count = answer[sent...].withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            sent += count
        }
    }

    private static func read(_ peer: Int32) -> Request? {
        var buffer: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65536)
        while true {
            let text = String(decoding: buffer, as: UTF8.self)
            if let end = text.firstRange(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                let start = head.utf8.count + 4
                let field = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                let length = field.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
                if buffer.count >= start + length {
                    let words = head.split(separator: " ", maxSplits: 2)
                    return Request(
                        method: String(words[0]), path: String(words[1]), head: head,
                        body: Array(buffer[start..<start + length]))
                }
            }
            let count = recv(peer, &part, part.count, 0)
            guard count > 0 else { return nil }
            buffer += part.prefix(count)
        }
    }
}
