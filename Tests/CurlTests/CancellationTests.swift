import Curl
import Support
import Testing

@Suite struct CancellationTests {
    let client = HTTPClient()

    @Test func `cancelling a task aborts its transfer and says that the server may have acted`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        let task = Task { await failure(client, HTTPRequest(.post, server.url, route: .loopback())) }
        _ = await server.nextRequest()
        task.cancel()
        #expect(await task.value == .cancelled(url: server.url + "/", answerMayBeLost: true))
    }

    @Test func `a task cancelled before it sends dials nothing`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let (gate, open) = AsyncStream<Never>.makeStream()
        let task = Task {
            for await _ in gate {}
            return await failure(client, HTTPRequest(.get, server.url, route: .loopback()))
        }
        task.cancel()
        open.finish()
        #expect(await task.value == .cancelled(url: server.url + "/", answerMayBeLost: false))
        #expect(server.connections == 0)
    }

    @Test func `cancelling one transfer leaves the others alone`() async throws {
        let server = try LoopbackServer { _ in .hold }
        defer { server.stop() }
        let kept = Task { try await client.send(HTTPRequest(.get, server.url + "/kept", route: .loopback())).status }
        _ = await server.nextRequest()
        let dropped = Task { await failure(client, HTTPRequest(.get, server.url + "/dropped", route: .loopback())) }
        _ = await server.nextRequest()
        dropped.cancel()
        #expect(await dropped.value?.code == "http.cancelled")
        server.release()
        #expect(try await kept.value == 200)
    }

    @Test func `however cancellation races with sending, every task ends`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let codes = await withTaskGroup(of: String.self) { group in
            for number in 0..<400 {
                group.addTask {
                    let task = Task {
                        await failure(client, HTTPRequest(.get, server.url, route: .loopback()))?.code ?? "answered"
                    }
                    for _ in 0..<(number % 8) { await Task.yield() }
                    task.cancel()
                    return await task.value
                }
            }
            return await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(codes.isSubset(of: ["http.cancelled", "answered"]))
        #expect(codes.contains("http.cancelled"))
        // the client is none the worse for it
        #expect(try await client.send(HTTPRequest(.get, server.url, route: .loopback())).status == 200)
    }
}
