import Curl
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

@Suite struct FulcioIssuerTests {
    static func issuer(_ json: String) throws -> FulcioIssuer {
        try FulcioIssuer(JSONField(document: "issuer", parsing: Array(json.utf8)))
    }

    static func claims(_ more: String, subject: String = "s") throws -> IdentityToken.Claims {
        try IdentityToken(
            Fixture.token(
                #"{"iss":"https://issuer.example","sub":"\#(subject)","aud":"sigstore","exp":4000000000\#(more)}"#)
        ).claims
    }

    @Test(arguments: [
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu-west-1.amazonaws.com/id/A1B2", true),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu.west.amazonaws.com/id/A1B2", false),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks..amazonaws.com/id/A1B2", false),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu.amazonaws.com/id/", false),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu.amazonaws.com/id/a/b", false),
        ("https://*.example.com", "https://a.example.com.evil.example", false),
        ("https://*-x.example.com", "https://a-x-x.example.com", true),
        ("https://*-x.example.com", "https://-x.example.com", false),
        ("https://*", "http://a", false), ("*", "", false), ("https://a*b*c", "https://abbbc", true),
    ])
    func `a wildcard stands for letters, digits, minus and underscore`(pattern: String, issuer: String, accepted: Bool)
        throws
    {
        #expect(try Self.issuer(#"{"wildcardIssuerUrl":"\#(pattern)"}"#).accepts(issuer: issuer) == accepted)
    }

    @Test func `many wildcards stay cheap`() throws {
        let issuer = try Self.issuer(#"{"wildcardIssuerUrl":"\#(String(repeating: "*a", count: 500))b"}"#)
        #expect(!issuer.accepts(issuer: String(repeating: "a", count: 1000)))
        #expect(issuer.accepts(issuer: String(repeating: "aa", count: 500) + "b"))
    }

    @Test func `without a wildcard a star is a star, and the exact issuer comes first`() throws {
        let plain = try Self.issuer(#"{"issuerUrl":"https://a*"}"#)
        #expect(plain.accepts(issuer: "https://a*") && !plain.accepts(issuer: "https://ab"))
        let exact = try Self.issuer(#"{"issuerUrl":"https://a-b","issuerType":"email"}"#)
        let family = try Self.issuer(#"{"wildcardIssuerUrl":"https://a-*","issuerType":"uri"}"#)
        #expect(FulcioIssuer.accepting("https://a-b", among: [family, exact]) == exact)
        #expect(FulcioIssuer.accepting("https://a-c", among: [family, exact]) == family)
        #expect(FulcioIssuer.accepting("https://c", among: [family, exact]) == nil)
    }

    /// The rules of Fulcio's `pkg/identity/*/principal.go`.
    @Test(
        arguments: [
            (
                "kubernetes", "", #","kubernetes.io":{"namespace":"ci","serviceaccount":{"name":"signer"}}"#, "s",
                "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"
            ),
            ("kubernetes", "", "", "s", nil),
            ("email", "", #","email":"a@b.example","email_verified":true"#, "s", "a@b.example"),
            ("email", "", #","email":"a@b.example","email_verified":false"#, "s", nil), ("email", "", "", "s", nil),
            ("email", #","skipEmailVerification":true"#, #","email":"a@b.example""#, "s", "a@b.example"),
            (
                "spiffe", #","spiffeTrustDomain":"example.com""#, "", "spiffe://example.com/signer",
                "spiffe://example.com/signer"
            ),
            ("spiffe", #","spiffeTrustDomain":"example.com""#, "", "spiffe://example.com.evil/signer", nil),
            ("uri", #","subjectDomain":"https://example.com""#, "", "https://example.com/a", "https://example.com/a"),
            ("uri", #","subjectDomain":"https://example.com""#, "", "http://example.com/a", nil),
            ("uri", #","subjectDomain":"https://example.com""#, "", "https://evil.example/a", nil),
            ("username", #","subjectDomain":"example.com""#, "", "alice", "alice!example.com"),
            ("username", #","subjectDomain":"example.com""#, "", "al!ce", nil),
            (
                "github-workflow", "", #","job_workflow_ref":"o/r/.github/workflows/w.yml@refs/heads/main""#, "s",
                "https://github.com/o/r/.github/workflows/w.yml@refs/heads/main"
            ),
            ("ci-provider", "", #","job_workflow_ref":"o/r/w@v1""#, "s", "https://github.com/o/r/w@v1"),
            (
                "ci-provider", "", #","ci_config_ref_uri":"gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main""#, "s",
                "https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main"
            ),
            ("ci-provider", "", #","organization_slug":"o","pipeline_slug":"p""#, "s", "https://buildkite.com/o/p"),
            (
                "codefresh-workflow", "",
                #","account_name":"a","pipeline_name":"p/q","account_id":"1","pipeline_id":"2""#, "s",
                "https://g.codefresh.io/a/p/q:1/2"
            ),
            ("chainguard-identity", "", "", "uid/1", "https://issuer.example/uid/1"),
            ("gitlab-pipeline", "", "", "s", nil),
        ] as [(String, String, String, String, String?)])
    func `the name is known before a certificate is asked for`(
        kind: String, more: String, claims: String, subject: String, expected: String?
    ) throws {
        let issuer = try Self.issuer(#"{"issuerUrl":"https://issuer.example","issuerType":"\#(kind)"\#(more)}"#)
        let name = issuer.name(for: try Self.claims(claims, subject: subject))
        if let expected {
            #expect(name == .known(expected))
        } else {
            guard case .refused = name else { return #expect(Bool(false), "\(name)") }
        }
    }

    @Test func `an unknown kind of issuer is said to be unknown`() throws {
        let claims = try Self.claims("")
        #expect(
            try Self.issuer(#"{"issuerUrl":"a","issuerType":"novel"}"#).name(for: claims) == .unknown(kind: "novel"))
        #expect(
            try Self.issuer(#"{"issuerUrl":"a","issuerType":"ci-provider"}"#).name(for: claims)
                == .unknown(kind: "ci-provider"))
    }

    @Test func `the proof is over the claim that Fulcio names, and configuration is asked for once`() async throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let email =
            #"{"iss":"https://issuer.example","sub":"subject","aud":"sigstore","exp":4000000000,"email":"a@b.example","email_verified":true}"#
        for (claim, expected) in [("sub", "subject"), ("email", "a@b.example"), ("", "a@b.example")] {
            let service = try ScriptedService { request in
                request.method == "POST"
                    ? .json(400, "{}")
                    : claim.isEmpty
                        ? .json(500, "{}")
                        : .json(
                            200, #"{"issuers":[{"issuerUrl":"https://issuer.example","challengeClaim":"\#(claim)"}]}"#)
            }
            defer { service.stop() }
            let fulcio = FulcioClient(url: service.url, http: HTTPClient(), route: .toTestServer)
            for _ in 0..<2 {
                _ = try? await fulcio.issue(key: key, token: try IdentityToken(Fixture.token(email)))
            }
            let posted = try #require(service.requests.last { $0.method == "POST" })
            let proof = try JSONValue(parsing: posted.body)["publicKeyRequest"]?["proofOfPossession"]?.text ?? ""
            let signature = try #require(Base64.decode(proof))
            #expect(throws: Never.self) { try key.publicKey.verify(signature, of: Array(expected.utf8)) }
            if !claim.isEmpty { #expect(service.requests.filter { $0.method == "GET" }.count == 1) }
        }
    }

    @Test func `a Dex token may stand for the issuer behind it`() throws {
        let token = try IdentityToken(
            Fixture.token(
                #"{"iss":"https://dex.example/auth","sub":"s","aud":"sigstore","exp":4000000000,"federated_claims":{"connector_id":"https://accounts.example","user_id":"1"}}"#
            ))
        for issuer in ["https://dex.example/auth", "https://accounts.example"] {
            #expect(throws: Never.self) {
                try token.checkUsable(at: Date(unixSeconds: 1), audience: "sigstore", issuer: issuer)
            }
        }
        let error = #expect(throws: SigstoreError.self) {
            try token.checkUsable(at: Date(unixSeconds: 1), audience: "sigstore", issuer: "https://other.example")
        }
        #expect(error?.code == "identity.issuer")
    }

    @Test(arguments: [
        (#"{"issuerUrl":"https://other.example"}"#, "none of them"),
        (#"{"issuerUrl":"https://issuer.example","audience":"else"}"#, "wants audience \"else\""),
        (#"{"issuerUrl":"https://issuer.example","issuerType":"kubernetes"}"#, "no claim kubernetes.io"),
        (
            #"{"issuerUrl":"https://issuer.example","issuerType":"uri","subjectDomain":"https://a"}"#,
            "not below https://a"
        ),
    ])
    func `a refusal says what Fulcio's configuration has against the token`(issuer: String, reason: String) async throws
    {
        let service = try ScriptedService { request in
            request.method == "POST"
                ? .json(400, #"{"code":3,"message":"There was an error processing the identity token","details":[]}"#)
                : .json(200, "{\"issuers\":[\(issuer)]}")
        }
        defer { service.stop() }
        let fulcio = FulcioClient(url: service.url, http: HTTPClient(), route: .toTestServer)
        let token = try IdentityToken(Fixture.token(TokenServiceKind.claims))
        let key = try PrivateKey.generate(.ecdsaP256)
        let error = await #expect(throws: SigstoreError.self) { try await fulcio.issue(key: key, token: token) }
        #expect(error?.code == "fulcio.refused")
        #expect(error?.observed.contains(reason) == true, "\(error?.observed ?? "")")
    }
}
