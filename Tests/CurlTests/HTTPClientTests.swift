import Curl
import Testing

/// A route to the loopback server: private, plain, no proxy.
func loopbackRoute(_ change: (inout HTTPRoute) -> Void = { _ in }) -> HTTPRoute {
    var route = HTTPRoute()
    route.addresses = .privateAllowed
    route.allowPlainHTTP = true
    route.proxy = .none
    change(&route)
    return route
}

@Suite struct HTTPClientTests {
    let client = HTTPClient()

    @Test func `an answer comes back with status, headers in order and body`() async throws {
        let server = try LoopbackServer { _ in
            .answer(201, [("X-One", "a"), ("x-one", "b"), ("Docker-Content-Digest", "sha256:00")], Array("hello".utf8))
        }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.get, server.url + "/v2/?n=1#part", route: loopbackRoute()))
        #expect(response.status == 201)
        #expect(response.headers.values(of: "X-ONE") == ["a", "b"])
        #expect(response.headers["docker-content-digest"] == "sha256:00")
        #expect(response.body == Array("hello".utf8))
        #expect(response.url == server.url + "/v2/?n=1")
        #expect(response.elapsed > .zero)
        #expect(server.requests.map(\.path) == ["/v2/?n=1"])
    }
}
