import Curl

/// One unary gRPC call over HTTP/2 (gRPC, "PROTOCOL-HTTP2"): one message each way, the status in the trailers.
struct UnaryCall: Sendable {
    let http: HTTPClient
    let route: HTTPRoute

    /// A call's own failure (`grpc-status`), apart from those of HTTP.
    enum Failure: Error {
        case transport(HTTPError)
        /// The code of gRPC's list and the server's words.
        case status(Int, String)
        /// Not an answer that gRPC allows.
        case malformed(String)
    }

    /// Calls `method` (`/Service/Method`) at `base` and returns the bytes of its answer's message.
    func call(
        _ base: String, _ method: String, _ message: [UInt8], metadata: [(String, String)]
    ) async throws(Failure) -> [UInt8] {
        var headers: HTTPHeaders = ["Content-Type": "application/grpc", "TE": "trailers"]
        for (name, value) in metadata { headers.add(name, value) }
        let length = UInt32(message.count)
        let prefix = [0] + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: length >> UInt32($0)) }
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await http.send(
                HTTPRequest(.post, base + method, headers: headers, body: prefix + message, route: route))
        } catch {
            throw .transport(error)
        }
        guard response.status == 200 else { throw .malformed("HTTP status \(response.status)") }
        // a call that fails at once has its status in the only header section ("Trailers-Only")
        guard let text = response.trailers["grpc-status"] ?? response.headers["grpc-status"], let status = Int(text)
        else { throw .malformed("no grpc-status") }
        guard status == 0 else {
            let words = response.trailers["grpc-message"] ?? response.headers["grpc-message"] ?? ""
            throw .status(status, Self.decoded(words))
        }
        return try Self.message(in: response.body)
    }

    /// The only message of a body: a byte that says whether it is compressed, four of length, the message.
    static func message(in body: [UInt8]) throws(Failure) -> [UInt8] {
        guard body.count >= 5 else { throw .malformed("no message in the answer") }
        guard body[0] == 0 else { throw .malformed("a compressed message, which was not asked for") }
        let length = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard length == body.count - 5 else {
            throw .malformed("a message of \(length) bytes in a body of \(body.count)")
        }
        return Array(body[5...])
    }

    /// `grpc-message` is percent-encoded; what is not, stays as it is.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
