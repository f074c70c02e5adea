import Curl
import Support
import Testing

@Suite struct ProxyTests {
    let client = HTTPClient()

    private func route(via proxy: String, _ change: (inout HTTPRoute) -> Void = { _ in }) -> HTTPRoute {
        .loopback {
            $0.proxy = .url(proxy)
            change(&$0)
        }
    }

    @Test func `the proxy is asked for the whole address, and resolves the name itself`() async throws {
        let proxy = try LoopbackServer { _ in .answer(200, [], Array("by proxy".utf8)) }
        defer { proxy.stop() }
        let request = HTTPRequest(.get, "http://registry.invalid/v2/", route: route(via: proxy.url))
        #expect(try await client.send(request).body == Array("by proxy".utf8))
        #expect(proxy.requests.map(\.path) == ["http://registry.invalid/v2/"])
    }

    @Test func `the target's headers stay out of CONNECT, and a proxy that declines lost nothing`() async throws {
        let proxy = try LoopbackServer { _ in .answer(407, [("X-From", "proxy")]) }
        defer { proxy.stop() }
        let headers: HTTPHeaders = ["Authorization": "Bearer secret"]
        let error = await failure(
            client,
            HTTPRequest(.post, "https://registry.invalid/", headers: headers, body: [1], route: route(via: proxy.url)))
        #expect(error?.code == "http.unreachable")
        #expect(error?.answerMayBeLost == false)
        #expect(proxy.requests.map(\.method) == ["CONNECT"])
        #expect(proxy.requests.first?.header("Authorization") == nil)
    }

    @Test func `the address policy judges the hop to the proxy`() async throws {
        let proxy = try LoopbackServer { _ in .answer(200) }
        defer { proxy.stop() }
        let publicOnly = route(via: proxy.url) { $0.addresses = .publicOnly }
        let error = await failure(client, HTTPRequest(.get, "http://registry.invalid/", route: publicOnly))
        #expect(error?.code == "http.address_denied")
        #expect(proxy.connections == 0)
    }

    @Test(arguments: [
        "http://user:hunter2@proxy.invalid:3128", "nonsense://user:hunter2@127.0.0.1", "http://user:hunter2@[::",
    ])
    func `a proxy's password stays out of errors`(proxy: String) async {
        let error = await failure(client, HTTPRequest(.get, "http://registry.invalid/", route: route(via: proxy)))
        #expect(error?.description.isEmpty == false)
        #expect(error?.description.contains("hunter2") == false)
    }
}
