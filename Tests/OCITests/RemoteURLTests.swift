import Testing

@testable import OCI

@Suite struct RemoteURLTests {
    @Test func `origins compare scheme, host and effective port`() throws {
        let url = try #require(RemoteURL("https://Auth.Example.com/token?a=b"))
        #expect(url.origin == RemoteURL("https://auth.example.com:443/other")?.origin)
        #expect(url.origin != RemoteURL("http://auth.example.com/token")?.origin)
        #expect(url.origin != RemoteURL("https://auth.example.com:8443/token")?.origin)
        #expect(url.path == "/token")
        #expect(url.query == "a=b")
    }

    @Test func `a location is absolute, or a path on the same origin`() throws {
        let base = try #require(RemoteURL("http://127.0.0.1:5000/v2/"))
        #expect(
            base.resolving("/v2/a/blobs/uploads/1?_state=x")?.description
                == "http://127.0.0.1:5000/v2/a/blobs/uploads/1?_state=x")
        #expect(base.resolving("https://other.example/x")?.origin.host == "other.example")
        #expect(base.resolving("//other.example/x") == nil)
        #expect(base.resolving("uploads/1") == nil)
        #expect(base.resolving("") == nil)
    }

    @Test func `a query item is added with the right separator`() throws {
        #expect(RemoteURL("https://r/u")?.adding("digest", "sha256:a") == "https://r/u?digest=sha256%3Aa")
        #expect(RemoteURL("https://r/u?s=1")?.adding("digest", "a+b") == "https://r/u?s=1&digest=a%2Bb")
        #expect(RemoteURL("https://r/u?")?.adding("d", "e") == "https://r/u?d=e")
    }

    @Test(arguments: [
        // not http, not absolute
        "", "ftp://a/b", "file:///etc/passwd", "a/b", "/a", "https:/a", "https:a", "javascript:alert(1)",
        // a host that two parsers would read differently
        "https://user@good.example/", "https://user:pw@good.example/", "https://good.example\\@evil.example/",
        "https://good.example#@evil.example/",
        "https://good.example%2eevil.example/", "https://good.example evil/", "https://good.example./", "https://[::1",
        "https:///path", "https://:443/",
        "https://good.example:99999/", "https://good.example:/", "https://127.0.0.1%00.evil.example/",
        // a target with what must be encoded
        "https://a/b c", "https://a/\nb", "https://a/b#c", "https://a/b\"c", "https://a/<b>", "https://a/\u{E9}",
    ])
    func `an ambiguous URL is not a URL`(text: String) {
        #expect(RemoteURL(text) == nil)
    }
}
