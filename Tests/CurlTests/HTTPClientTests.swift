import Curl
import Support
import Testing

@Suite struct HTTPClientTests {
    let client = HTTPClient()

    @Test func `an answer comes back with status, headers in order and body`() async throws {
        let server = try LoopbackServer { _ in
            .answer(201, [("X-One", "a"), ("x-one", "b"), ("Docker-Content-Digest", "sha256:00")], Array("hello".utf8))
        }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.get, server.url + "/v2/?n=1#part", route: .loopback()))
        #expect(response.status == 201)
        #expect(response.headers.values(of: "X-ONE") == ["a", "b"])
        #expect(response.headers["docker-content-digest"] == "sha256:00")
        #expect(response.body == Array("hello".utf8))
        #expect(response.url == server.url + "/v2/?n=1")
        #expect(response.elapsed > .zero)
        #expect(server.requests.map(\.path) == ["/v2/?n=1"])
    }

    @Test func `an error status is an answer, not an error`() async throws {
        let server = try LoopbackServer { _ in .answer(503, [("Retry-After", "7")], Array("busy".utf8)) }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        #expect(response.status == 503)
        #expect(response.retryAfter == .seconds(7))
        #expect(response.body == Array("busy".utf8))
    }

    @Test func `each method is written with its body and length, and nothing the caller did not ask for`() async throws
    {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let body = [UInt8](repeating: 7, count: 300_000)
        var requests: [HTTPRequest] = []
        for method in [HTTPRequest.Method.get, .head, .delete, .post, .put, .patch] {
            requests.append(HTTPRequest(method, server.url, headers: ["X-Empty": ""], route: .loopback()))
        }
        for method in [HTTPRequest.Method.post, .put, .patch, .delete] {
            requests.append(
                HTTPRequest(
                    method, server.url, headers: ["Content-Type": "application/json"], body: body, route: .loopback()))
        }
        for request in requests { _ = try await client.send(request) }
        let seen = server.requests
        #expect(
            seen.map(\.method) == ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "POST", "PUT", "PATCH", "DELETE"])
        #expect(
            seen.map { $0.header("Content-Length") } == [nil, nil, nil, "0", "0", "0"]
                + Array(repeating: "300000", count: 4))
        #expect(seen.suffix(4).allSatisfy { $0.body == body && $0.header("Content-Type") == "application/json" })
        #expect(seen.prefix(6).allSatisfy { $0.header("Content-Type") == nil && $0.header("X-Empty") == "" })
        #expect(seen.allSatisfy { $0.header("Expect") == nil && $0.header("Accept-Encoding") == nil })
        #expect(seen.allSatisfy { $0.header("User-Agent") == "countersign" })
        #expect(server.connections == 1)
    }

    @Test func `a content coding that nobody asked for is not undone`() async throws {
        let server = try LoopbackServer { _ in .answer(200, [("Content-Encoding", "gzip")], [0x1f, 0x8b, 1, 2, 3]) }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        #expect(response.body == [0x1f, 0x8b, 1, 2, 3])
    }

    @Test func `one after another, requests share a connection`() async throws {
        let server = try LoopbackServer { .answer($0.numberOnConnection % 2 == 0 ? 404 : 200, [], Array("x".utf8)) }
        defer { server.stop() }
        for _ in 0..<50 { _ = try await client.send(HTTPRequest(.get, server.url, route: .loopback())) }
        #expect(server.connections == 1)
        #expect(server.requests.count == 50)
    }

    @Test func `two hundred requests at once are all answered, on no more connections than configured`() async throws {
        let server = try LoopbackServer { .answer(200, [], Array($0.path.utf8)) }
        defer { server.stop() }
        var configuration = HTTPClient.Configuration()
        configuration.maxConnectionsPerHost = 8
        let client = HTTPClient(configuration)
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let request = HTTPRequest(.get, "\(server.url)/\(number)", route: .loopback())
                    return String(decoding: try await client.send(request).body, as: UTF8.self)
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(answers == Set((0..<200).map { "/\($0)" }))
        #expect((1...8).contains(server.connections))
    }

    @Test func `a header that could smuggle is refused before anything is dialled`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let smuggling: [(String, String)] = [
            ("X Y", "v"), ("", "v"), ("X\r\nEvil", "v"), ("X", "a\r\nEvil: 1"), ("X", "a\nEvil: 1"), ("X", "a\0b"),
            ("X:", "v"), ("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("Expect", "100-continue"),
            ("Connection", "close"),
        ]
        for (name, value) in smuggling {
            let request = HTTPRequest(.post, server.url, headers: [name: value], route: .loopback())
            #expect(await failure(client, request)?.code == "http.invalid_request", "\(name.debugDescription)")
        }
        #expect(server.connections == 0)
    }

    @Test func `a GET with a body is refused`() async {
        let error = await failure(client, HTTPRequest(.get, "https://registry.example/", body: [1]))
        #expect(error == .invalidRequest(url: "https://registry.example/", reason: "a GET with a body"))
    }

    @Test func `plain http is refused unless the route allows it`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.allowPlainHTTP = false }
        let error = await failure(client, HTTPRequest(.get, server.url + "/?token=secret", route: route))
        #expect(error == .plainHTTPRefused(url: server.url + "/?…"))
        #expect(server.connections == 0)
    }

    @Test(arguments: [
        "file:///etc/passwd", "ftp://host/", "gopher://host/", "host/path", "", "https://", "https://u:p@h/",
    ])
    func `an address that is not plain https is refused without quoting it`(url: String) async {
        let error = await failure(client, HTTPRequest(.get, url, route: .loopback()))
        #expect(error?.code == "http.invalid_request")
        #expect(error.map { url.isEmpty || !$0.description.contains(url) } == true)
    }

    @Test func `a refused connection is unreachable and lost nothing`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        server.stop()
        let error = await failure(client, HTTPRequest(.post, server.url, route: .loopback()))
        #expect(error?.code == "http.unreachable")
        #expect(error?.isTransient == true)
        #expect(error?.answerMayBeLost == false)
    }

    @Test func `a name without an address is unresolved`() async {
        // RFC 6761 §6.4: no name under .invalid resolves
        let error = await failure(client, HTTPRequest(.get, "https://registry.invalid/", route: .loopback()))
        #expect(error?.code == "http.unresolved")
        #expect(error?.isTransient == true)
    }
}
