import Support
import Testing

@testable import Curl

@Suite struct AddressPolicyTests {
    let client = HTTPClient()
    let publicOnly = HTTPRoute.loopback { $0.addresses = .publicOnly }

    @Test(arguments: [
        "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]",
    ])
    func `whatever leads to this machine is denied at connect time`(host: String) async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let error = await failure(client, HTTPRequest(.get, "http://\(host):\(server.port)/", route: publicOnly))
        #expect(error?.code == "http.address_denied")
        #expect(error?.isTransient == false)
        #expect(server.connections == 0)
    }

    @Test func `localhost may be dialled where the upstream is declared private`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let request = HTTPRequest(.get, "http://localhost:\(server.port)/", route: .loopback())
        #expect(try await client.send(request).status == 200)
    }

    @Test func `a connection made for a private route carries nothing of a public one`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        for host in ["127.0.0.1", "localhost"] {
            let url = "http://\(host):\(server.port)/"
            _ = try await client.send(HTTPRequest(.get, url, route: .loopback()))
            let error = await failure(client, HTTPRequest(.post, url, body: [1], route: publicOnly))
            #expect(error?.code == "http.address_denied")
            #expect(error?.answerMayBeLost == false)
            _ = try await client.send(HTTPRequest(.get, url, route: .loopback()))
        }
        #expect(server.requests.map(\.method) == ["GET", "GET", "GET", "GET"])
    }

    static let denied: [(String, String)] = [
        ("0.0.0.0", "unspecified"), ("0.1.2.3", "unspecified"), ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("10.0.0.1", "private"), ("10.255.255.255", "private"), ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"), ("169.254.0.1", "link-local"), ("169.254.169.254", "link-local"),
        ("100.64.0.1", "shared (RFC 6598)"), ("100.127.255.255", "shared (RFC 6598)"),
        ("100.100.100.200", "cloud metadata"), ("168.63.129.16", "cloud metadata"), ("192.0.0.192", "cloud metadata"),
        ("192.0.0.1", "special-purpose"), ("198.18.0.1", "special-purpose"), ("198.19.255.255", "special-purpose"),
        ("192.0.2.1", "documentation"), ("198.51.100.1", "documentation"), ("203.0.113.9", "documentation"),
        ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"), ("::1", "loopback"), ("fe80::1", "link-local"), ("febf::1", "link-local"),
        ("fc00::1", "unique local"), ("fd12:3456::1", "unique local"), ("fd00:ec2::254", "cloud metadata"),
        ("ff02::1", "multicast"), ("::ffff:127.0.0.1", "IPv4-mapped"), ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("64:ff9b::7f00:1", "loopback"), ("64:ff9b::a9fe:a9fe", "link-local"), ("64:ff9b:1::1", "reserved"),
        ("2002:7f00:1::1", "loopback"), ("2002:a00:1::1", "private"), ("2001:db8::1", "documentation"),
        ("2001::1", "special-purpose"), ("3fff::1", "documentation"), ("fec0::1", "reserved"), ("::7f00:1", "reserved"),
        ("100::1", "reserved"), ("4000::1", "reserved"),
    ]

    @Test func `every special range is denied by name`() throws {
        for (text, kind) in Self.denied {
            let address = try #require(PeerAddress(text))
            #expect(address.denial(under: .publicOnly) == kind, "\(text)")
            #expect(address.denial(under: .anywhere) == nil, "\(text)")
        }
    }

    @Test func `the neighbours of every special range are public`() throws {
        for text in [
            "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
            "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
            "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "8.8.8.8", "2606:4700::1111",
            "2001:4860:4860::8888", "2a00:1450::1", "3ffe::1", "64:ff9b::808:808", "2002:808:808::1",
        ] {
            let address = try #require(PeerAddress(text))
            #expect(address.denial(under: .publicOnly) == nil, "\(text)")
        }
    }

    @Test func `a redirect within a private network may not reach link-local or metadata addresses`() throws {
        for text in [
            "169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "168.63.129.16",
            "::ffff:169.254.169.254",
        ] {
            let address = try #require(PeerAddress(text))
            #expect(address.denial(under: .privateNetwork) != nil, "\(text)")
            #expect(address.denial(under: .privateNetworkAndLoopback) != nil, "\(text)")
        }
        for text in ["10.0.0.1", "fd12::1", "192.168.1.1", "::ffff:10.0.0.1", "8.8.8.8"] {
            let address = try #require(PeerAddress(text))
            #expect(address.denial(under: .privateNetwork) == nil, "\(text)")
            #expect(address.denial(under: .privateNetworkAndLoopback) == nil, "\(text)")
        }
    }

    @Test func `a redirect within a private network reaches this host's loopback only from there`() throws {
        for text in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"] {
            let address = try #require(PeerAddress(text))
            #expect(address.denial(under: .privateNetwork) != nil, "\(text)")
            #expect(address.denial(under: .privateNetworkAndLoopback) == nil, "\(text)")
        }
    }

    @Test func `what is no address is no address`() {
        for text in ["", "localhost", "1.2.3", "256.0.0.1", "::g", "fe80::1%eth0"] { #expect(PeerAddress(text) == nil) }
    }
}
