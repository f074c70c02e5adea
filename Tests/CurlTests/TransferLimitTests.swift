import Curl
import Support
import Testing

@Suite struct TransferLimitTests {
    let client = HTTPClient()

    @Test func `a body of exactly the limit is accepted and one byte more is not`() async throws {
        let server = try LoopbackServer {
            .answer(200, [], [UInt8](repeating: 1, count: $0.path == "/at" ? 1000 : 1001))
        }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.maxResponseBytes = 1000 }
        #expect(try await client.send(HTTPRequest(.get, server.url + "/at", route: route)).body.count == 1000)
        let error = await failure(client, HTTPRequest(.get, server.url + "/over", route: route))
        #expect(error == .bodyTooLarge(url: server.url + "/over", limit: 1000))
        #expect(error?.isTransient == false)
    }

    @Test func `a chunked body without announced length is cut at the limit too`() async throws {
        let chunk = "400\r\n" + String(repeating: "x", count: 0x400) + "\r\n"
        let answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + String(repeating: chunk, count: 64) + "0\r\n\r\n"
        let server = try LoopbackServer { _ in .raw(Array(answer.utf8)) }
        defer { server.stop() }
        let whole = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        #expect(whole.body.count == 64 * 1024)
        let route = HTTPRoute.loopback { $0.maxResponseBytes = 10_000 }
        #expect(await failure(client, HTTPRequest(.get, server.url, route: route))?.code == "http.body_too_large")
    }

    @Test func `a HEAD may announce more than the limit`() async throws {
        let server = try LoopbackServer { _ in .answer(200, [("Content-Length", "1000000")]) }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.maxResponseBytes = 10 }
        let response = try await client.send(HTTPRequest(.head, server.url, route: route))
        #expect(response.headers["content-length"] == "1000000")
        #expect(response.body.isEmpty)
    }

    enum LongSection: String, CaseIterable {
        case oneField, manyFields, interimAnswers, trailers

        var answer: String {
            switch self {
            case .oneField:
                "HTTP/1.1 200 OK\r\nX-Long: \(String(repeating: "v", count: 3000))\r\nContent-Length: 0\r\n\r\n"
            case .manyFields:
                "HTTP/1.1 200 OK\r\n" + String(repeating: "X-Many: v\r\n", count: 300) + "Content-Length: 0\r\n\r\n"
            case .interimAnswers:
                String(repeating: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", count: 100)
                    + "HTTP/1.1 200 OK\r\n\r\n"
            case .trailers:
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                    + String(repeating: "X-Trailer: v\r\n", count: 300) + "\r\n"
            }
        }
    }

    @Test(arguments: LongSection.allCases)
    func `header bytes are capped, wherever they stand`(section: LongSection) async throws {
        let server = try LoopbackServer { _ in .raw(Array(section.answer.utf8)) }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.maxHeaderBytes = 2000 }
        let error = await failure(client, HTTPRequest(.get, server.url, route: route))
        #expect(error == .headersTooLarge(url: server.url + "/", limit: 2000))
        #expect(error?.answerMayBeLost == true)
    }

    @Test func `a server that does not answer runs into the total timeout, and may have acted`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.totalTimeout = .milliseconds(150) }
        let error = await failure(client, HTTPRequest(.post, server.url, body: [1], route: route))
        #expect(error == .timedOut(url: server.url + "/", phase: .answering, limit: .milliseconds(150)))
        #expect(error?.answerMayBeLost == true)
        #expect(error?.isTransient == true)
    }

    @Test func `a TLS handshake that never answers runs into the connect timeout, and nothing was sent`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.connectTimeout = .milliseconds(150) }
        let error = await failure(
            client, HTTPRequest(.post, "https://127.0.0.1:\(server.port)/", body: [1], route: route))
        #expect(
            error
                == .timedOut(url: "https://127.0.0.1:\(server.port)/", phase: .connecting, limit: .milliseconds(150)))
        #expect(error?.answerMayBeLost == false)
    }

    @Test func `waiting for a free connection ends with the total timeout`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        var configuration = HTTPClient.Configuration()
        configuration.maxConnectionsPerHost = 1
        let client = HTTPClient(configuration)
        let first = Task { try await client.send(HTTPRequest(.get, server.url + "/first", route: .loopback())).status }
        _ = await server.nextRequest()
        let route = HTTPRoute.loopback { $0.totalTimeout = .milliseconds(150) }
        let error = await failure(client, HTTPRequest(.post, server.url + "/second", route: route))
        #expect(error == .timedOut(url: server.url + "/second", phase: .connecting, limit: .milliseconds(150)))
        server.release()
        #expect(try await first.value == 200)
        #expect(server.requests.map(\.path) == ["/first"])
    }

    @Test func `a request that waited longer than the connect timeout may still open its connection`() async throws {
        let server = try LoopbackServer { $0.path == "/first" ? .hold : .answer(200) }
        defer { server.stop() }
        var configuration = HTTPClient.Configuration()
        configuration.maxConnectionsPerHost = 1
        let client = HTTPClient(configuration)
        let first = Task { try await client.send(HTTPRequest(.get, server.url + "/first", route: .loopback())).status }
        _ = await server.nextRequest()
        let route = HTTPRoute.loopback { $0.connectTimeout = .milliseconds(50) }
        let second = Task { try await client.send(HTTPRequest(.get, server.url + "/second", route: route)).status }
        try await Task.sleep(for: .milliseconds(300))
        server.release()
        #expect(try await first.value == 200)
        #expect(try await second.value == 200)
    }
}
