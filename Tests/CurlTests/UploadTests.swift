import Support
import Testing

@testable import Curl

/// A file as a request's body.
@Suite struct UploadTests {
    private let client = HTTPClient()
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func upload(_ text: String) throws -> HTTPUpload {
        try folder.write(text, to: "document")
        return try #require(HTTPUpload(path: folder.path + "/document"))
    }

    @Test func `it is announced with its length and arrives whole`() async throws {
        let server = try LoopbackServer { _ in .answer(202) }
        defer { server.stop() }
        let text = String(repeating: "0123456789abcdef", count: 40_000)
        var request = HTTPRequest(.put, server.url, route: .loopback())
        request.upload = try upload(text)
        #expect(try await client.send(request).status == 202)
        let seen = try #require(server.requests.first)
        #expect(seen.method == "PUT" && seen.header("Content-Length") == "640000")
        #expect(seen.header("Transfer-Encoding") == nil && seen.header("Expect") == nil)
        #expect(seen.body == Array(text.utf8))
    }

    @Test func `after a connection that died unused it is sent again from its beginning`() async throws {
        let server = try LoopbackServer { $0.numberOnConnection == 2 ? .drop : .answer(200) }
        defer { server.stop() }
        _ = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        var request = HTTPRequest(.put, server.url, route: .loopback())
        request.upload = try upload("whole again")
        #expect(try await client.send(request).status == 200)
        #expect(server.requests.map(\.numberOnConnection) == [1, 2, 1])
        #expect(server.requests.last?.body == Array("whole again".utf8))
    }

    @Test func `an empty file is an empty body`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        var request = HTTPRequest(.put, server.url, route: .loopback())
        request.upload = try upload("")
        _ = try await client.send(request)
        #expect(server.requests.first?.header("Content-Length") == "0" && server.requests.first?.body == [])
    }

    @Test func `a folder, a pipe and nothing at all are no files, and two bodies are none`() async throws {
        #expect(HTTPUpload(path: folder.path) == nil)
        #expect(HTTPUpload(path: folder.path + "/absent") == nil)
        #expect(HTTPUpload(path: "/dev/zero") == nil)
        var request = HTTPRequest(.put, "https://registry.example/", body: [1])
        request.upload = try upload("two")
        await #expect(throws: HTTPError.invalidRequest(url: "https://registry.example/", reason: "two bodies")) {
            _ = try await client.send(request)
        }
    }
}
