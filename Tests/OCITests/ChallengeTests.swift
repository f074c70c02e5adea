import Testing

@testable import OCI

/// The field decides where credentials go, so a half-understood one is refused.
@Suite struct ChallengeTests {
    @Test func `a bearer challenge gives realm, service and scope`() throws {
        let field =
            #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
        #expect(
            try Challenge.parse(field) == [
                Challenge(
                    scheme: "bearer",
                    parameters: [
                        "realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    ])
            ])
    }

    @Test func `several challenges may share one field`() throws {
        let field = #"Negotiate, Basic realm="a, b", NTLM TlRMTVNTUAACAAAA==, BEARER Realm = "x" , error=invalid_token"#
        let challenges = try Challenge.parse(field)
        #expect(challenges.map(\.scheme) == ["negotiate", "basic", "ntlm", "bearer"])
        #expect(challenges[1].parameters == ["realm": "a, b"])
        #expect(challenges[3].parameters == ["realm": "x", "error": "invalid_token"])
    }

    @Test func `quoted strings are unescaped`() throws {
        #expect(
            try Challenge.parse(#"Basic realm="say \"hi\" \\ there""#)[0].parameters["realm"] == #"say "hi" \ there"#)
    }

    @Test func `empty list elements are legal`() throws {
        #expect(try Challenge.parse(#", ,Basic realm=x,, ,Bearer realm=y,"#).map(\.scheme) == ["basic", "bearer"])
    }

    @Test(arguments: [
        // nothing there
        "", " ", ",", ",,,",
        // no scheme where one must be
        "=x", #""Bearer""#, "@Bearer realm=x",
        // quoted strings that do not end, or hold control characters
        #"Bearer realm="https://a"#, #"Bearer realm="a\"#, "Bearer realm=\"a\r\nb\"", "Bearer realm=\"a\u{0}\"",
        "Bearer realm=\"a\\\u{7F}\"",
        // parameters without a value, without a comma, or twice: which realm would be the right one?
        #"Bearer realm=,service=y"#, #"Bearer realm="x" service="y""#, #"Bearer realm="x",realm="y""#,
        #"Bearer realm="x",REALM="y""#,
        // something between value and comma
        #"Bearer realm="x"y"#, "Bearer realm=a b", "Bearer realm=x;service=y",
        // a scheme glued to something else
        #"Bearer,"realm""#, "Bearer{realm=x", "Bearer realm=x, {",
        // longer than any challenge
        "Bearer realm=" + String(repeating: "a", count: 9000),
    ])
    func `a malformed field is refused`(field: String) {
        #expect { try Challenge.parse(field) } throws: { ($0 as? OCIError)?.code == "registry.challenge_malformed" }
    }
}
