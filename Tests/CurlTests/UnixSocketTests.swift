import Glibc
import Support
import Testing

@testable import Curl

@Suite struct UnixSocketTests {
    private func route(_ path: String) -> HTTPRoute {
        var route = HTTPRoute()
        (route.unixSocket, route.allowPlainHTTP) = (path, true)
        return route
    }

    @Test func `a socket that is not there is unreachable, and nothing else is dialled`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        let request = HTTPRequest(.get, server.url, route: route("/nonexistent/socket"))
        let error = await #expect(throws: HTTPError.self) { try await HTTPClient().send(request) }
        #expect(error?.code == "http.unreachable")
        #expect(server.connections == 0)
    }

    @Test func `trailers are handed over apart from the headers`() async throws {
        let server = try LoopbackServer { _ in
            .raw(
                Array(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n2\r\nok\r\n0\r\nX-T: 2\r\nX-T: 3\r\n\r\n"
                        .utf8))
        }
        var route = HTTPRoute.loopback()
        route.totalTimeout = .seconds(20)
        let response = try await HTTPClient().send(HTTPRequest(.get, server.url, route: route))
        #expect(response.body == Array("ok".utf8))
        #expect(response.headers["X-A"] == "1" && response.headers["X-T"] == nil)
        #expect(response.trailers.values(of: "x-t") == ["2", "3"])
    }

    @Test func `TE belongs to the client except for gRPC`() throws {
        var route = HTTPRoute()
        let request = HTTPRequest(.post, "https://a.example", headers: ["TE": "trailers"], body: [], route: route)
        #expect(throws: HTTPError.self) { try Hop(request) }
        route.assumesHTTP2 = true
        #expect(throws: Never.self) {
            try Hop(HTTPRequest(.post, "https://a.example", headers: ["TE": "trailers"], body: [], route: route))
        }
        #expect(throws: HTTPError.self) {
            try Hop(HTTPRequest(.post, "https://a.example", headers: ["TE": "gzip"], body: [], route: route))
        }
    }
}
