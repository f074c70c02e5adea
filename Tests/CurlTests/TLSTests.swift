import Curl
import Testing

@Suite struct TLSTests {
    let client = HTTPClient()

    @Test func `the configured authority is trusted in place of the system's`() async throws {
        let authority = try TLSAuthority()
        defer { authority.remove() }
        let server = try TLSServer(authority: authority)
        defer { server.stop() }
        let trusting = HTTPRoute.loopback { $0.caFile = authority.caFile }
        for host in ["localhost", "127.0.0.1"] {
            let response = try await client.send(HTTPRequest(.get, "https://\(host):\(server.port)/", route: trusting))
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "text/html")
        }

        let untrusted = HTTPRequest(.get, "https://localhost:\(server.port)/", route: .loopback())
        let error = await failure(client, untrusted)
        #expect(error?.code == "http.untrusted", "the connection made with the authority must not serve this route")
        #expect(error?.isTransient == false)

        let missing = HTTPRoute.loopback { $0.caFile = authority.folder + "/none.pem" }
        let unreadable = await failure(client, HTTPRequest(.get, "https://localhost:\(server.port)/", route: missing))
        #expect(unreadable?.code == "http.untrusted")
    }

    @Test func `a certificate for another name is not trusted`() async throws {
        let authority = try TLSAuthority(names: "DNS:registry.example")
        defer { authority.remove() }
        let server = try TLSServer(authority: authority)
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.caFile = authority.caFile }
        let error = await failure(client, HTTPRequest(.post, "https://127.0.0.1:\(server.port)/", route: route))
        #expect(error?.code == "http.untrusted")
        #expect(error?.answerMayBeLost == false)
    }

    @Test(.enabled(if: TLSServer.isNginxInstalled, "needs nginx"))
    func `over HTTP/2, requests at once share one connection`() async throws {
        let authority = try TLSAuthority()
        defer { authority.remove() }
        let server = try TLSServer(nginxWith: authority)
        defer { server.stop() }
        let route = HTTPRoute.loopback { $0.caFile = authority.caFile }
        let request = HTTPRequest(.get, "https://localhost:\(server.port)/", route: route)
        // nginx tells nobody when it listens
        while await failure(HTTPClient(), request)?.code == "http.unreachable" { await Task.yield() }

        let bodies = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<64 { group.addTask { try await client.send(request).body } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        let body = String(decoding: try #require(bodies.first), as: UTF8.self)
        #expect(bodies.count == 1, "one connection number for all")
        #expect(body.hasPrefix("HTTP/2.0 "))

        // a public route may not ride on it, and the streams beside it live on
        let publicOnly = HTTPRequest(
            .get, request.url,
            route: .loopback {
                $0.caFile = authority.caFile
                $0.addresses = .publicOnly
            })
        #expect(await failure(client, publicOnly)?.code == "http.address_denied")
        #expect(try await client.send(request).body == Array(body.utf8))
    }
}
