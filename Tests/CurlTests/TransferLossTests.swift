import Curl
import Support
import Testing

/// What is known of a request whose answer did not come: whether the server may have acted on it.
@Suite struct TransferLossTests {
    let client = HTTPClient()

    @Test func `a connection dropped after the request may have lost the answer`() async throws {
        let server = try LoopbackServer { _ in .drop }
        defer { server.stop() }
        for method in [HTTPRequest.Method.get, .post, .put] {
            let error = await failure(client, HTTPRequest(method, server.url, route: .loopback()))
            #expect(error?.code == "http.interrupted")
            #expect(error?.answerMayBeLost == true)
            #expect(error?.isTransient == true)
        }
        #expect(server.requests.count == 3)
    }

    @Test func `an answer that stops in the middle is not an answer`() async throws {
        let server = try LoopbackServer { _ in .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".utf8)) }
        defer { server.stop() }
        #expect(await failure(client, HTTPRequest(.get, server.url, route: .loopback()))?.code == "http.interrupted")
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : space\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
    ])
    func `an answer that is not HTTP is an interruption`(answer: String) async throws {
        let server = try LoopbackServer { _ in .raw(Array(answer.utf8)) }
        defer { server.stop() }
        #expect(await failure(client, HTTPRequest(.get, server.url, route: .loopback()))?.code == "http.interrupted")
    }

    @Test func `a POST on a reused connection that dies is never written twice`() async throws {
        let server = try LoopbackServer { $0.method == "POST" ? .drop : .answer(200) }
        defer { server.stop() }
        _ = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        let error = await failure(client, HTTPRequest(.post, server.url, body: [1], route: .loopback()))
        #expect(error?.code == "http.interrupted")
        #expect(error?.answerMayBeLost == true)
        #expect(server.requests.map(\.method) == ["GET", "POST"])
        #expect(server.requests.map(\.numberOnConnection) == [1, 2])
    }

    @Test func `a GET on a reused connection that dies is sent again on a fresh one`() async throws {
        let server = try LoopbackServer { $0.numberOnConnection == 2 ? .drop : .answer(200) }
        defer { server.stop() }
        for _ in 0..<2 {
            #expect(try await client.send(HTTPRequest(.get, server.url, route: .loopback())).status == 200)
        }
        #expect(server.requests.map(\.numberOnConnection) == [1, 2, 1])
    }

    @Test func `shutdown fails what is under way and everything after`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        let client = HTTPClient()
        let pending = Task { await failure(client, HTTPRequest(.post, server.url, route: .loopback())) }
        _ = await server.nextRequest()
        client.shutdown()
        #expect(await pending.value == .shutDown(url: server.url + "/", answerMayBeLost: true))
        let later = await failure(client, HTTPRequest(.get, server.url, route: .loopback()))
        #expect(later == .shutDown(url: server.url + "/", answerMayBeLost: false))
        client.shutdown()
    }
}
