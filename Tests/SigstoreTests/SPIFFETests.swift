import Curl
import FoundationEssentials
import Glibc
import OpenSSL
import Support
import Testing

@testable import Sigstore

@Suite struct SPIFFETokenSourceTests {
    typealias Answer = WorkloadAPIServer.Answer
    let http = HTTPClient()
    let folder: TemporaryDirectory
    var socket: String { folder.path + "/agent.sock" }

    init() throws { folder = try TemporaryDirectory() }

    /// `JWTSVIDResponse` with these identities.
    static func message(_ identities: [(id: String, token: String)]) -> [UInt8] {
        var response = ProtobufMessage()
        for identity in identities {
            var svid = ProtobufMessage()
            svid.append(1, identity.id)
            svid.append(2, identity.token)
            response.append(1, svid.encoded)
        }
        let encoded = response.encoded
        return [0, 0, 0, UInt8(encoded.count >> 8), UInt8(encoded.count & 255)] + encoded
    }

    static let both = message([
        ("spiffe://example.com/other", Fixture.token(TokenServiceKind.podClaims)),
        ("spiffe://example.com/signer", TokenServiceKind.given),
    ])

    private func token(
        id: String? = nil, route: HTTPRoute = .init(), _ script: @escaping @Sendable (WorkloadAPIServer.Call) -> Answer?
    ) async throws -> (IdentityToken, [WorkloadAPIServer.Call]) {
        let server = try WorkloadAPIServer(path: socket, script)
        defer {
            server.stop()
            unlink(socket)
        }
        let source = SPIFFETokenSource(
            // a client of its own: a kept connection would lead to the last server
            socket: "unix://" + socket, id: id, audience: "sigstore", http: HTTPClient(), route: route)
        return (try await source.token(), server.calls)
    }

    private func failure(id: String? = nil, _ answer: Answer?) async throws -> SigstoreError {
        try #require(await #expect(throws: SigstoreError.self) { try await token(id: id) { _ in answer } })
    }

    @Test func `the agent is asked by gRPC over its socket, with the header that proves a local caller`() async throws {
        let (token, calls) = try await token { _ in Answer(body: Self.both) }
        #expect(token.claims.kubernetes?.serviceAccount == "runner")
        let call = try #require(calls.first)
        // JWTSVIDRequest { audience: "sigstore" } behind gRPC's prefix
        #expect(call.body == [0, 0, 0, 0, 10, 0x0A, 8] + Array("sigstore".utf8))
        // the Huffman codes (RFC 7541 appendix B) of the header and its value, of the method and of `trailers`
        for code in [
            "f07b3ad071c8ba2b34b295731f", "4d9697", "6375669652f23d9d6838e4875e463095249f2f2dfbb8e4bf", "4d833505b11f",
        ] {
            #expect(call.headers.containsSubsequence(Hex.decode(code) ?? []), "\(code)")
        }
    }

    @Test func `one of several identities is chosen by its name`() async throws {
        let (token, calls) = try await token(id: "spiffe://example.com/signer") { _ in Answer(body: Self.both) }
        #expect(token.claims.subject == "signer")
        #expect(calls.first?.body.containsSubsequence(Array("spiffe://example.com/signer".utf8)) == true)
        let missing = try await failure(id: "spiffe://example.com/absent", Answer(body: Self.both))
        #expect(missing.code == "identity.bad_answer")
    }

    @Test func `the agent's statuses are told apart`() async throws {
        let denied = try await failure(Answer(body: nil, status: "7", message: "no%20identity issued"))
        #expect(denied.code == "identity.refused")
        #expect(denied.observed.contains("gRPC status 7") && denied.observed.contains("no identity issued"))
        let away = try await failure(Answer(body: [], status: "14", message: "shutting down"))
        #expect(away.code == "identity.unavailable")
        #expect(try await failure(nil).code == "identity.unavailable")
    }

    @Test(arguments: [
        Answer(body: []), Answer(body: [0, 0, 0, 0, 0]), Answer(body: [0, 0, 0, 0, 9, 1]),
        Answer(body: [1, 0, 0, 0, 0]),
        Answer(body: [0, 0, 0, 0, 1, 0xFF]), Answer(body: [0, 0, 0, 0, 2, 0x0A, 0x7F]), Answer(body: both, status: "x"),
        Answer(body: both, httpStatus: "500"), Answer(body: message([("spiffe://a/b", "not.a.token")])),
    ])
    func `an answer that is none is refused`(answer: Answer) async throws {
        let error = try await failure(answer)
        #expect(error.code == "identity.bad_answer")
        #expect(!error.observed.contains("not.a.token"))
    }

    @Test func `a huge answer is refused`() async throws {
        let huge = Answer(body: [UInt8](repeating: 0, count: TokenService.maxAnswerBytes + 1))
        #expect(try await failure(huge).code == "identity.bad_answer")
    }

    @Test func `a socket that is not there, or no path, is named`() async throws {
        func error(_ socket: String) async throws -> SigstoreError {
            let source = SPIFFETokenSource(socket: socket, audience: "a", http: http)
            return try #require(await #expect(throws: SigstoreError.self) { try await source.token() })
        }
        #expect(try await error(folder.path + "/absent").code == "identity.unavailable")
        #expect(try await error("tcp://127.0.0.1:1").code == "identity.misconfigured")
        #expect(try await error("relative").code == "identity.misconfigured")
    }
}

@Suite struct ProtobufMessageTests {
    @Test func `messages are read and written, and what is not known is skipped`() throws {
        var message = ProtobufMessage()
        message.append(1, "a")
        message.append(1, "b")
        message.append(200, String(repeating: "x", count: 300))
        let read = try ProtobufMessage(parsing: message.encoded)
        #expect(read.all(1) == [[0x61], [0x62]])
        #expect(try read.text(200).count == 300)
        #expect(try read.text(9) == "")
        // a number, eight bytes and four bytes between
        let more: [UInt8] = [0x10, 0x96, 1, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4]
        #expect(try ProtobufMessage(parsing: more + message.encoded).all(1).count == 2)
    }

    @Test(arguments: [
        [0x0A], [0x0A, 2, 1], [0x0B], [0x0C], [0x00, 0], [0x80], [0x10, 0x80], [0x19, 1],
        [0x0A] + [UInt8](repeating: 0xFF, count: 9) + [1], [0x10] + [UInt8](repeating: 0xFF, count: 10) + [1],
        [0x0A] + [UInt8](repeating: 0xFF, count: 9) + [2],
    ])
    func `malformed bytes are refused`(bytes: [UInt8]) {
        #expect(throws: ProtobufMessage.Malformed.self) { try ProtobufMessage(parsing: bytes) }
    }
}

extension [UInt8] {
    func containsSubsequence(_ part: [UInt8]) -> Bool { firstRange(of: part) != nil }
}
