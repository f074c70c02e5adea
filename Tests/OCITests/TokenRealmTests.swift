import Curl
import Support
import Testing

@testable import OCI

/// Which addresses may be asked for a token, and which may see credentials.
@Suite struct TokenRealmTests {
    static let basic = Credentials.basic(username: "u", password: .init("p"))

    static func endpoint(
        _ url: String = "https://registry.example", _ credentials: Credentials = basic, realms: [String]? = nil
    ) throws -> RegistryEndpoint {
        let route = HTTPRoute.toTestServer
        return try RegistryEndpoint(
            name: "registry.example", url: url, route: route, credentials: credentials, allowedTokenRealms: realms)
    }

    /// The decision for somebody who has `basic` to present.
    static func tokenRealm(_ challenge: Challenge, of endpoint: RegistryEndpoint) throws -> TokenRealm {
        try TokenRealm(challenge, of: endpoint, presenting: basic)
    }

    static func realm(_ url: String) -> Challenge {
        Challenge(scheme: "bearer", parameters: ["realm": url, "service": "s"])
    }

    @Test func `the registry's own origin sees credentials`() throws {
        let realm = try Self.tokenRealm(Self.realm("https://registry.example:443/token"), of: Self.endpoint())
        #expect(realm.route.addresses == .privateAllowed)
        #expect(realm.route.redirects == .refuse)
        let request = AccessToken.request(
            for: realm, scope: TokenScope(repository: "a/b", access: .pullPush), as: Self.basic)
        #expect(request.url == "https://registry.example:443/token?service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush")
        #expect(request.headers["Authorization"] == "Basic dTpw")
    }

    @Test func `an identity token is exchanged by POST`() throws {
        let credentials = Credentials.identityToken(.init("refresh&me"))
        let realm = try TokenRealm(
            Self.realm("https://registry.example/token"), of: Self.endpoint("https://registry.example", credentials),
            presenting: credentials)
        let request = AccessToken.request(
            for: realm, scope: TokenScope(repository: "a", access: .pull), as: credentials)
        #expect(request.method == .post)
        #expect(request.url == "https://registry.example/token")
        #expect(
            String(decoding: request.body ?? [], as: UTF8.self)
                == "service=s&scope=repository%3Aa%3Apull&grant_type=refresh_token&client_id=countersign&refresh_token=refresh%26me"
        )
    }

    @Test func `a listed realm sees credentials, an unlisted one does not get them`() throws {
        let auth = Self.realm("https://auth.example/token")
        #expect(
            try Self.tokenRealm(auth, of: Self.endpoint(realms: ["auth.example"])).url.origin.host == "auth.example")
        #expect(
            try Self.tokenRealm(auth, of: Self.endpoint(realms: ["https://auth.example"])).url.origin.host
                == "auth.example")
        for realms in [nil, [], ["auth.example:8443"], ["http://auth.example"], ["example"], ["evil.auth.example"]]
            as [[String]?]
        {
            #expect { try Self.tokenRealm(auth, of: Self.endpoint(realms: realms)) } throws: {
                ($0 as? OCIError)?.code == "registry.token_realm_refused"
            }
        }
    }

    @Test func `a foreign realm is asked anonymously, and only at a public address`() throws {
        let realm = try TokenRealm(
            Self.realm("https://auth.example/token"), of: Self.endpoint("https://registry.example", .anonymous),
            presenting: .anonymous)
        #expect(realm.route.addresses == .publicOnly)
        #expect(!realm.route.allowPlainHTTP)
    }

    @Test func `what was asked anonymously is not shown credentials that came later`() throws {
        let realm = try TokenRealm(
            Self.realm("https://auth.example/token"), of: Self.endpoint(), presenting: .anonymous)
        try realm.check(.anonymous)
        #expect { try realm.check(Self.basic) } throws: { ($0 as? OCIError)?.code == "registry.token_realm_refused" }
    }

    @Test(arguments: [
        // plain http away from the registry, also at its own name on another port or scheme
        "http://auth.example/token", "http://registry.example/token", "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8080/",
        // hosts that read like the registry's
        "https://registry.example@evil.example/", "https://registry.example.evil.example/",
        "https://evil.example/registry.example",
        // not URLs
        "", "/token", "registry.example/token", "file:///etc/passwd", "https://", "gopher://registry.example/",
    ])
    func `a hostile realm is refused`(url: String) throws {
        #expect { try Self.tokenRealm(Self.realm(url), of: Self.endpoint()) } throws: {
            ($0 as? OCIError)?.code == "registry.token_realm_refused"
        }
    }

    @Test func `a bearer challenge without realm is malformed`() throws {
        #expect { try Self.tokenRealm(Challenge(scheme: "bearer", parameters: [:]), of: Self.endpoint()) } throws: {
            ($0 as? OCIError)?.code == "registry.challenge_malformed"
        }
    }

    @Test(arguments: [
        (#"{"token":"a","expires_in":300}"#, 290), (#"{"access_token":"a","expires_in":10}"#, 8),
        (#"{"token":"a"}"#, 50),
        (#"{"token":"a","expires_in":-5}"#, 0), (#"{"token":"a","expires_in":99999999}"#, 3590),
    ])
    func `a token is renewed before its end`(answer: String, seconds: Int) throws {
        let now = ContinuousClock.now
        #expect(try AccessToken(answer: Array(answer.utf8), at: now).expires == now + .seconds(seconds))
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"token":""}"#, #"{"token":7}"#, #"{"token":"a\r\nX: y"}"#, #"{"token":"a b"}"#,
        #"{"token":"ä"}"#,
    ])
    func `a malformed token answer is refused`(answer: String) {
        #expect { try AccessToken(answer: Array(answer.utf8), at: .now) } throws: {
            ($0 as? OCIError)?.code == "registry.token_malformed"
        }
    }

    @Test(arguments: [
        "", "registry.example", "ftp://registry.example", "https://registry.example?x", "https://u@registry.example",
    ])
    func `a registry address must be a plain URL`(url: String) {
        #expect { try Self.endpoint(url) } throws: { ($0 as? OCIError)?.code == "registry.endpoint_malformed" }
    }

    @Test func `plain http must be declared`() {
        #expect { try RegistryEndpoint(name: "r", url: "http://r") } throws: {
            ($0 as? OCIError)?.code == "registry.endpoint_malformed"
        }
    }
}
