import Testing

@testable import Curl

@Suite struct HopTests {
    private func hop(_ url: String, _ change: (inout HTTPRequest) -> Void = { _ in }) throws -> Hop {
        var request = HTTPRequest(.get, url, headers: ["Authorization": "Bearer secret", "Accept": "*/*"])
        request.route.redirects = .follow(limit: 5)
        request.route.allowPlainHTTP = true
        change(&request)
        return try Hop(request)
    }

    private func answer(_ status: Int, to location: String? = nil, from peer: String = "198.51.100.7") -> HopAnswer {
        HopAnswer(
            status: status, headers: location.map { ["Location": $0] } ?? [:], trailers: [:], body: [],
            peer: PeerAddress(peer))
    }

    @Test func `https is never left for http, whatever the route allows`() throws {
        let routes: [(inout HTTPRoute) -> Void] = [
            { _ in }, { $0.allowPlainHTTP = false }, { $0.addresses = .privateAllowed },
            { $0.redirects = .follow(limit: 1) },
            { ($0.addresses, $0.redirects) = (.privateAllowed, .follow(limit: 100)) },
        ]
        for route in routes {
            let start = try hop("https://registry.example/v2/?token=secret") { route(&$0.route) }
            #expect(
                throws: HTTPError.redirectRefused(
                    url: "https://registry.example/v2/?…", location: "http://registry.example/blob?…",
                    reason: "from https to http")
            ) {
                try start.next(after: answer(307, to: "http://registry.example/blob?sig=secret"), followed: 0)
            }
        }
    }

    @Test func `another origin is another scheme, host or port`() throws {
        for (location, keeps) in [
            ("https://registry.example/other", true), ("https://REGISTRY.example:443/other", true), ("/other", true),
            ("//registry.example/other", true), ("https://registry.example:8443/other", false),
            ("https://example/other", false), ("https://registry.example.evil/other", false), ("//evil/other", false),
        ] {
            let next = try #require(
                try hop("https://registry.example/v2/").next(after: answer(302, to: location), followed: 0))
            #expect((next.headers["Authorization"] != nil) == keeps, "\(location)")
            #expect(next.headers["Accept"] == "*/*")
        }
        let upgraded = try #require(
            try hop("http://registry.example/").next(
                after: answer(301, to: "https://registry.example/"), followed: 0))
        #expect(upgraded.headers["Authorization"] == nil)
    }

    @Test func `a private upstream's redirect elsewhere reaches no further than its network`() throws {
        let start = try hop("https://registry.internal/") { $0.route.addresses = .privateAllowed }
        #expect(start.reach == .anywhere)
        let near = try #require(try start.next(after: answer(302, to: "/blob"), followed: 0))
        #expect(near.reach == .anywhere)
        let far = try #require(try start.next(after: answer(302, to: "https://other/"), followed: 0))
        #expect(far.reach == .privateNetwork)
        let back = try #require(
            try far.next(after: answer(302, to: "https://registry.internal/"), followed: 1))
        #expect(back.reach == .privateNetwork)
    }

    @Test func `a proxy on this host is known by its port, however it is written`() {
        func ports(_ variables: [String: String]) -> Set<Int> { LoopbackProxy.ports { variables[$0] } }
        for (proxy, port) in [
            ("http://127.0.0.1:3128", 3128), ("127.0.0.1:8080", 8080), ("localhost", 1080), ("https://localhost/", 443),
            ("http://user:p@ss@LOCALHOST:1/", 1), ("http://[::1]:3128", 3128), ("[::1]", 1080),
            ("socks5h://127.1.2.3", 1080),
        ] {
            #expect(ports(["https_proxy": proxy]) == [port] && LoopbackProxy.ports(.url(proxy)) == [port], "\(proxy)")
        }
        for elsewhere in [
            "http://proxy.example:3128", "http://10.0.0.1:3128", "http://127.0.0.1@proxy.example:1", "", "[", "@",
            "127.0.0.1:x",
        ] {
            #expect(ports(["all_proxy": elsewhere, "http_proxy": elsewhere]).isEmpty, "\(elsewhere)")
        }
        #expect(ports([:]).isEmpty && ports(["no_proxy": "127.0.0.1"]).isEmpty && LoopbackProxy.ports(.none).isEmpty)
    }

    @Test func `a redirect is followed through a proxy on this host, and to nothing else that listens there`() throws {
        let start = try hop("https://registry.internal/") {
            $0.route.addresses = .privateAllowed
            $0.route.proxy = .url("http://127.0.0.1:3128")
        }
        let far = try #require(try start.next(after: answer(302, to: "https://store.example/"), followed: 0))
        let here = try #require(PeerAddress("127.0.0.1"))
        #expect(far.denial(of: here, port: 3128) == nil)
        #expect(far.denial(of: here, port: 9090) == "loopback")
        #expect(start.isProxy(here, port: 3128) && !start.isProxy(here, port: 9090))
        let publicly = try hop("https://registry.example/") { $0.route.proxy = .url("http://127.0.0.1:3128") }
        #expect(publicly.denial(of: here, port: 3128) == "loopback", "it has to be declared a private network")
    }

    @Test func `only who is on this host redirects to it`() throws {
        let start = try hop("https://registry.internal/") { $0.route.addresses = .privateAllowed }
        for (peer, reach) in [
            ("127.0.0.1", PeerAddress.Reach.privateNetworkAndLoopback), ("127.8.8.8", .privateNetworkAndLoopback),
            ("::1", .privateNetworkAndLoopback), ("::ffff:127.0.0.1", .privateNetworkAndLoopback),
            ("10.0.0.7", .privateNetwork), ("fd12::7", .privateNetwork), ("0.0.0.0", .privateNetwork),
            ("::ffff:10.0.0.7", .privateNetwork), ("", .privateNetwork),
        ] {
            let next = try start.next(after: answer(302, to: "https://other/", from: peer), followed: 0)
            #expect(next?.reach == reach, "\(peer)")
            // what it says of the next one is that one's to say again
            let further = try next?.next(after: answer(302, to: "https://third/", from: "10.0.0.8"), followed: 1)
            #expect(further?.reach == .privateNetwork)
        }
        let outside = try hop("https://registry.example/")
        let next = try outside.next(after: answer(302, to: "https://other/", from: "127.0.0.1"), followed: 0)
        #expect(next?.reach == .publicOnly)
    }

    @Test func `what is not a redirect to follow is final`() throws {
        let start = try hop("https://registry.example/")
        for status in [200, 300, 304, 305, 306, 404] {
            #expect(try start.next(after: answer(status, to: "/x"), followed: 0) == nil)
        }
        #expect(try start.next(after: answer(302), followed: 0) == nil)
    }
}

@Suite struct HTTPAddressTests {
    @Test func `queries and fragments are not repeated in messages`() throws {
        #expect(
            try HTTPAddress("https://Host:8443/a/b?X-Amz-Signature=secret#part").redacted == "https://host:8443/a/b?…")
        #expect(try HTTPAddress("https://host").redacted == "https://host/")
    }

    @Test func `what is dialled is what was checked`() throws {
        let address = try HTTPAddress("HTTPS://Registry.Example/a/../b%2Fc?d=e%20f#g")
        #expect(address.text == "https://registry.example/b%2Fc?d=e%20f")
        #expect(address.port == "443")
        #expect(try HTTPAddress("https://0x7f.1/").host == "127.0.0.1")
        #expect(try HTTPAddress("https://[::1]:5000/").host == "[::1]")
    }

    @Test func `malformed addresses are refused, each without being quoted`() {
        for text in [
            "", " ", "/path", "host", "https://", "https://h:99999/", "https://h:x/", "https://a b/",
            "https://h/\r\nX: y", "https://h/\0", "https://user@h/", "https://user:secret@h/", "https://:secret@h/",
            "file:///secret", "ftp://h/", "javascript:secret", "https://[::1/", "https://h\\@evil/",
            "https://exa%00mple/",
        ] {
            #expect(throws: HTTPAddress.Malformed.self, "\(text.debugDescription)") { try HTTPAddress(text) }
            do { _ = try HTTPAddress(text) } catch { #expect(!error.reason.contains("secret")) }
        }
    }
}
