import Curl
import Support
import Testing

@Suite struct RedirectTests {
    let client = HTTPClient()
    let secrets: HTTPHeaders = [
        "Authorization": "Bearer secret", "cookie": "a=b", "Proxy-Authorization": "Basic secret",
        "Accept": "text/plain",
    ]
    let following = HTTPRoute.loopback { $0.redirects = .follow(limit: 3) }

    @Test func `by default a redirect is handed back`() async throws {
        let server = try LoopbackServer { _ in .answer(307, [("Location", "/elsewhere")]) }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.get, server.url, route: .loopback()))
        #expect(response.status == 307)
        #expect(response.headers["Location"] == "/elsewhere")
        #expect(server.requests.count == 1)
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `within an origin a redirect is followed with credentials`(status: Int) async throws {
        let server = try LoopbackServer {
            $0.path == "/a/b" ? .answer(status, [("Location", "../c?d=e")]) : .answer(200, [], Array("there".utf8))
        }
        defer { server.stop() }
        let response = try await client.send(
            HTTPRequest(.get, server.url + "/a/b", headers: secrets, route: following))
        #expect(response.status == 200)
        #expect(response.body == Array("there".utf8))
        #expect(response.url == server.url + "/c?d=e")
        #expect(response.redirectedTo == nil)
        #expect(server.requests.last?.header("Authorization") == "Bearer secret")
    }

    @Test func `credentials do not follow to another origin, nor come back with the chain`() async throws {
        let home = try LoopbackServer { _ in .answer(200) }
        defer { home.stop() }
        let away = try LoopbackServer { _ in .answer(302, [("Location", home.url + "/back")]) }
        defer { away.stop() }
        let start = try LoopbackServer { _ in .answer(307, [("Location", away.url + "/blob?sig=x")]) }
        defer { start.stop() }
        for method in [HTTPRequest.Method.get, .head] {
            let response = try await client.send(HTTPRequest(method, start.url, headers: secrets, route: following))
            #expect(response.status == 200)
            #expect(response.redirectedTo == home.url)
        }
        #expect(
            start.requests.allSatisfy { $0.header("Authorization") == "Bearer secret" && $0.header("Cookie") == "a=b" })
        for request in away.requests + home.requests {
            for name in ["Authorization", "Cookie", "Proxy-Authorization"] { #expect(request.header(name) == nil) }
            #expect(request.header("Accept") == "text/plain")
        }
        #expect(away.requests.map(\.method) == ["GET", "HEAD"])
    }

    @Test func `a POST is not redirected`() async throws {
        let server = try LoopbackServer { _ in .answer(307, [("Location", "/elsewhere")]) }
        defer { server.stop() }
        let response = try await client.send(HTTPRequest(.post, server.url, body: [1], route: following))
        #expect(response.status == 307)
        #expect(server.requests.count == 1)
    }

    @Test func `the limit counts redirects, not requests`() async throws {
        let server = try LoopbackServer { request in
            let left = Int(request.path.dropFirst()) ?? 0
            return left == 0 ? .answer(200) : .answer(302, [("Location", "/\(left - 1)")])
        }
        defer { server.stop() }
        #expect(try await client.send(HTTPRequest(.get, server.url + "/3", route: following)).status == 200)
        let error = await failure(client, HTTPRequest(.get, server.url + "/4", route: following))
        #expect(error?.code == "http.redirect_refused")
        #expect(error?.answerMayBeLost == false)
    }

    @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://", "http://a b/"])
    func `a redirect to what is no http address is refused`(location: String) async throws {
        let server = try LoopbackServer { _ in .answer(302, [("Location", location)]) }
        defer { server.stop() }
        let error = await failure(client, HTTPRequest(.get, server.url, route: following))
        #expect(error?.code == "http.redirect_refused")
        #expect(error?.description.contains("pw") == false)
        #expect(server.requests.count == 1)
    }

    @Test func `a redirect to an http address without the route's leave is refused`() async throws {
        let server = try LoopbackServer { _ in .answer(302, [("Location", "http://169.254.169.254/latest/meta-data")]) }
        defer { server.stop() }
        let error = await failure(client, HTTPRequest(.get, server.url, route: following))
        #expect(error?.code == "http.address_denied")
        guard case .addressDenied(_, let address, let kind) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(address == "169.254.169.254")
        #expect(kind == "link-local")
    }

    @Test(.enabled(if: LoopbackServer.otherAddress != nil, "this machine has no address but loopback"))
    func `a private upstream elsewhere does not redirect us to our own loopback`() async throws {
        let inside = try LoopbackServer { _ in .answer(403, [], Array("of nobody's business".utf8)) }
        defer { inside.stop() }
        let address = try #require(LoopbackServer.otherAddress)
        let redirect = LoopbackServer.Action.answer(307, [("Location", inside.url + "/admin")])
        let registry = try LoopbackServer(at: address) { _ in redirect }
        defer { registry.stop() }
        let neighbour = try LoopbackServer { _ in redirect }
        defer { neighbour.stop() }
        let error = await failure(client, HTTPRequest(.get, registry.url, route: following))
        #expect(
            error == .addressDenied(url: inside.url + "/admin", address: "127.0.0.1", kind: "loopback"))
        // nor over a connection that was made for somebody who may
        #expect(try await client.send(HTTPRequest(.get, neighbour.url, route: following)).status == 403)
        let again = await failure(client, HTTPRequest(.get, registry.url, route: following))
        #expect(again?.code == "http.address_denied")
        #expect(inside.requests.count == 1)
    }

    @Test func `the total timeout covers the whole chain`() async throws {
        let server = try LoopbackServer { $0.path == "/" ? .answer(302, [("Location", "/held")]) : .hold }
        defer { server.stop() }
        let route = HTTPRoute.loopback {
            $0.redirects = .follow(limit: 3)
            $0.totalTimeout = .seconds(1)
        }
        let error = await failure(client, HTTPRequest(.get, server.url, route: route))
        #expect(error == .timedOut(url: server.url + "/held", phase: .answering, limit: .seconds(1)))
    }
}
