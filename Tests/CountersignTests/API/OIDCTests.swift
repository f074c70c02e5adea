import Curl
import FoundationEssentials
import OCI
import OpenSSL
import SigstoreLab
import StrictJSON
import Support
import Synchronization
import Testing

@testable import Countersign

@Suite struct OIDCTests {
    private static let audience = "countersign.example.com"
    private static let subject = "system:serviceaccount:ci:signer"

    /// The doors with the lab's Kubernetes issuer: one account reads, another commands within `team`.
    private func withIssuer(_ body: @escaping @Sendable (DoorsFixture, Lab) async throws -> Void) async throws {
        try await SigningLine.withAnotherLab { lab in
            var issuer = UpstreamConfiguration(url: try await lab.endpoints.issuer(.kubernetes))
            (issuer.privateNetwork, issuer.plainHTTP, issuer.proxy) = (true, true, .none)
            var oidc = OIDCConfiguration(issuer: issuer, audience: Self.audience)
            oidc.roles = try [
                rule(.operator, "sub=system:serviceaccount:ci:signer", ["registry.example.com/team/**"]),
                rule(.viewer, "sub=system:serviceaccount:read:*", []),
                rule(.operator, "sub=system:serviceaccount:long:*", ["registry.example.com/team/**"]),
            ]
            let configured = oidc
            try await DoorsFixture.withDoors(.doors { $0.api.oidc = [configured] }) { (doors) async throws in
                try await body(doors, lab)
            }
        }
    }

    private func rule(
        _ role: APITokens.Role, _ claim: String, _ repositories: [String]
    ) throws -> OIDCConfiguration.Rule {
        var rule = OIDCConfiguration.Rule()
        rule.role = role
        rule.claims = [try #require(OIDCConfiguration.Claim(claim))]
        rule.repositories = repositories
        return rule
    }

    @Test func `an address counts where the issuer has verified it`() throws {
        let byAddress = try rule(.operator, "email=*@corp.example", [])
        var both = byAddress
        both.claims.append(try #require(OIDCConfiguration.Claim("team=a")))
        func claims(_ verified: String, _ address: String = "admin@corp.example") throws -> JSONValue {
            try JSONValue(parsing: Array(#"{"email":"\#(address)","team":"a"\#(verified)}"#.utf8))
        }
        for verified in [#","email_verified":true"#, #","email_verified":"true""#] {
            #expect(try byAddress.matches(claims(verified)) && both.matches(claims(verified)))
            #expect(try byAddress.trustsAddress(of: claims(verified)) && both.trustsAddress(of: claims(verified)))
            #expect(try !byAddress.matches(claims(verified, "admin@else.example")))
        }
        for unverified in ["", #","email_verified":false"#, #","email_verified":"false""#, #","email_verified":1"#] {
            #expect(try byAddress.matches(claims(unverified)), "no later rule is asked")
            #expect(try !byAddress.trustsAddress(of: claims(unverified)) && !both.trustsAddress(of: claims(unverified)))
            #expect(try rule(.operator, "team=a", []).trustsAddress(of: claims(unverified)), "others need no address")
        }
    }

    private func code(_ answer: HTTPResponse) throws -> String? { try JSONValue(parsing: answer.body)["code"]?.text }

    @Test func `an issuer's token opens what its claims are for, and is written down by name`() async throws {
        try await withIssuer { doors, lab in
            _ = try await doors.deliver(envelope(notification()))
            let job = try #require(try await doors.queue.records.jobs().items.first).id
            let reader = try await lab.token(
                subject: "system:serviceaccount:read:dashboard", audience: Self.audience, lifetime: .seconds(600))
            #expect(try await doors.get("/v1/jobs", token: reader).status == 200)
            let refused = try await doors.send(
                .post, .api, "/v1/jobs/\(job)/cancel", headers: ["Authorization": "Bearer \(reader)"])
            #expect(refused.status == 403)

            let signer = try await lab.token(subject: Self.subject, audience: Self.audience, lifetime: .seconds(600))
            #expect(try await doors.get("/v1/policy", token: signer).status == 403)  // about all repositories
            let done = try await doors.send(
                .post, .api, "/v1/jobs/\(job)/cancel", headers: ["Authorization": "Bearer \(signer)"])
            #expect(done.status == 200)
            let act = try #require(try await AuditLog(pool: doors.queue.pool).latest(1).first)
            #expect(act.actor.hasPrefix(Self.subject) && act.tokenID == nil)
        }
    }

    @Test func `callers whose long names begin alike have batches and keys of their own`() async throws {
        try await withIssuer { doors, lab in
            let body = Array("{\"references\": [\"registry.example.com/team/app@\(sampleDigest("image"))\"]}".utf8)
            var callers: [(token: String, batch: Int)] = []
            for end in ["a", "b"] {
                let subject = "system:serviceaccount:long:" + String(repeating: "x", count: 200) + end
                let token = try await lab.token(subject: subject, audience: Self.audience, lifetime: .seconds(600))
                let answer = try await doors.send(
                    .post, .api, "/v1/batches",
                    headers: ["Authorization": "Bearer \(token)", "Idempotency-Key": "nightly"], body: body)
                #expect(answer.status == 202)
                callers.append((token, try #require(try JSONValue(parsing: answer.body)["id"]?.integer)))
            }
            #expect(callers[0].batch != callers[1].batch, "the same key of another caller is another batch")
            #expect(try await doors.get("/v1/batches/\(callers[0].batch)", token: callers[0].token).status == 200)
            #expect(try await doors.get("/v1/batches/\(callers[0].batch)", token: callers[1].token).status == 404)
            let cancelled = try await doors.send(
                .post, .api, "/v1/batches/\(callers[0].batch)/cancel",
                headers: ["Authorization": "Bearer \(callers[1].token)"])
            #expect(cancelled.status == 404)
        }
    }

    @Test func `a batch that was asked for with a wider scope is not there any more for who has a narrower one`()
        async throws
    {
        try await withIssuer { doors, lab in
            let issuer = try await lab.endpoints.issuer(.kubernetes)
            let name = OIDCAuthenticator.name(Self.subject, of: issuer)
            let token = try await lab.token(subject: Self.subject, audience: Self.audience, lifetime: .seconds(600))
            func stored(_ repositories: [String]) async throws -> Int64 {
                let subjects = try repositories.map {
                    BatchSubject(
                        repository: try Repository(registry: "registry.example.com", name: $0), tag: nil,
                        digest: sampleDigest("image"))
                }
                let storing = try await BatchRecords(pool: doors.queue.pool).store(
                    subjects, BatchRequest(subjects: .list(subjects), action: .sign), selector: nil,
                    from: .init(
                        principal: .init(tokenID: nil, name: name, role: .operator, scope: nil),
                        key: repositories.joined(), fingerprint: Array(repeating: 7, count: 32)))
                guard case .stored(let batch) = storing else { throw SupportError("not stored") }
                return batch.id
            }
            let (own, wider) = (try await stored(["team/app"]), try await stored(["team/app", "other/app"]))
            for (batch, status) in [(own, 200), (wider, 404)] {
                #expect(try await doors.get("/v1/batches/\(batch)", token: token).status == status)
            }
            #expect(try await doors.get("/v1/batches/\(wider)/events", token: token).status == 404)
            for command in ["cancel", "resume", "retry-failed"] {
                let answer = try await doors.send(
                    .post, .api, "/v1/batches/\(wider)/\(command)", headers: ["Authorization": "Bearer \(token)"])
                #expect(answer.status == 404)
            }
            let list = try JSONValue(parsing: try await doors.get("/v1/batches", token: token).body)
            guard case .array(let batches)? = list["batches"] else { throw SupportError("no list") }
            #expect(batches.map { $0["id"]?.integer } == [Int(own)])
        }
    }

    @Test func `a name that is cut, or not printed as it is, ends in what tells it apart`() {
        let issuer = "https://issuer.example.com"
        #expect(OIDCAuthenticator.name("ci", of: issuer) == "ci of https://issuer.example.com")
        let long = String(repeating: "é", count: 300)
        let subjects = [long + "a", long + "b", "a\u{7}b", "a\u{8}b", "a b"]
        let names = subjects.map { OIDCAuthenticator.name($0, of: issuer) }
        #expect(Set(names).count == subjects.count)
        #expect(names.allSatisfy { $0.unicodeScalars.count <= 128 && Failure.printable($0, limit: 128) == $0 })
        #expect(names[0].hasPrefix("ééé") && names[0] != OIDCAuthenticator.name(subjects[0], of: issuer + "/"))
    }

    @Test func `a token that is not for us, or not its issuer's, opens nothing and is not repeated`() async throws {
        try await withIssuer { doors, lab in
            func token(_ subject: String, _ audience: String, _ lifetime: Int) async throws -> String {
                try await lab.token(subject: subject, audience: audience, lifetime: .seconds(lifetime))
            }
            let good = try await token(Self.subject, Self.audience, 600)
            let parts = good.split(separator: ".").map(String.init)
            func header(_ json: String) -> String { Base64.encodeURLSafe(Array(json.utf8)) }
            let payload = try #require(Base64.decodeURLSafe(parts[1]))
            let raised = String(decoding: payload, as: UTF8.self)
                .replacing("serviceaccount:ci:signer", with: "serviceaccount:ci:singer")
            for (token, status, code) in [
                (try await token(Self.subject, "sigstore", 600), 401, "api.token_invalid"),
                (try await token(Self.subject, Self.audience, -600), 401, "api.token_invalid"),
                (try await token("system:serviceaccount:other:signer", Self.audience, 600), 403, "api.forbidden"),
                ("\(parts[0]).\(Base64.encodeURLSafe(Array(raised.utf8))).\(parts[2])", 401, "api.token_invalid"),
                (header(#"{"alg":"none","kid":"rs1"}"#) + ".\(parts[1]).\(parts[2])", 401, "api.token_malformed"),
                (header(#"{"alg":"HS256","kid":"rs1"}"#) + ".\(parts[1]).\(parts[2])", 401, "api.token_invalid"),
                (header(#"{"alg":"ES256","kid":"rs1"}"#) + ".\(parts[1]).\(parts[2])", 401, "api.token_invalid"),
                (header(#"{"alg":"RS256","kid":"nobody"}"#) + ".\(parts[1]).\(parts[2])", 401, "api.token_invalid"),
                (header(#"{"alg":"RS256"}"#) + ".\(parts[1]).\(parts[2])", 401, "api.token_invalid"),
                ("ey.x.y", 401, "api.token_malformed"), (good + "x.y", 401, "api.token_malformed"),
            ] {
                let answer = try await doors.get("/v1/jobs", token: token)
                #expect(try answer.status == status && self.code(answer) == code, "\(code)")
                #expect(!String(decoding: answer.body, as: UTF8.self).contains(parts[1]))
            }
            #expect(try await doors.get("/v1/jobs", token: good).status == 200)
        }
    }

    @Test func `an issuer that is away is not the caller's fault`() async throws {
        let claims = #"{"iss":"https://issuer.example.com","sub":"a","aud":"countersign","exp":99999999999}"#
        let token = [#"{"alg":"RS256","kid":"a"}"#, claims, "x"].map { Base64.encodeURLSafe(Array($0.utf8)) }
            .joined(separator: ".")
        var oidc = OIDCConfiguration(issuer: .init(url: "https://issuer.example.com"), audience: "countersign")
        oidc.roles = [try rule(.viewer, "sub=a", [])]
        oidc.issuer.url = "http://127.0.0.1:\(try freePort())"
        (oidc.issuer.privateNetwork, oidc.issuer.plainHTTP, oidc.issuer.proxy) = (true, true, .none)
        let configured = oidc
        try await DoorsFixture.withDoors(.doors { $0.api.oidc = [configured] }) { (doors) async throws in
            let other = try await doors.get("/v1/jobs", token: token)
            #expect(try other.status == 401 && self.code(other) == "api.token_invalid")  // not an issuer of ours
            let moved = claims.replacing("https://issuer.example.com", with: configured.issuer.url)
            let ours = [#"{"alg":"RS256","kid":"a"}"#, moved, "x"].map { Base64.encodeURLSafe(Array($0.utf8)) }
                .joined(separator: ".")
            let answer = try await doors.get("/v1/jobs", token: ours)
            #expect(try answer.status == 503 && self.code(answer) == "api.issuer_unavailable")
        }
    }

    @Test func `keys are looked up once, for an unknown one again at most once a minute, and only at the issuer`()
        async throws
    {
        let key = try PrivateKey.generate(.ecdsaP256).publicKey
        let (x, y) = try #require(key.ecPoint)
        let issuer = ScriptedIssuer(x, y)
        let keys = IssuerKeys(issuer: "https://issuer.example.com", now: issuer.now, get: issuer.get)
        for _ in 0..<3 { #expect(try await keys.key("one", for: .es256) == key) }
        #expect(issuer.asked.count == 2)
        for _ in 0..<3 { await #expect(throws: OIDCFault.self) { try await keys.key("two", for: .es256) } }
        #expect(issuer.asked.count == 2)
        issuer.wait(.seconds(61))
        for _ in 0..<3 { await #expect(throws: OIDCFault.self) { try await keys.key("two", for: .es256) } }
        #expect(issuer.asked.count == 4)
        await #expect(throws: OIDCFault.self) { try await keys.key("one", for: .rs256) }

        // an hour later they are looked up anew; what sends us elsewhere is not followed, and the known ones serve on
        issuer.sendElsewhere()
        issuer.wait(.seconds(3601))
        #expect(try await keys.key("one", for: .es256) == key)
        #expect(issuer.asked.last == "https://issuer.example.com/.well-known/openid-configuration")
        issuer.wait(.seconds(86_400))
        await #expect(throws: OIDCFault.unavailable("its keys are not at the issuer itself")) {
            try await keys.key("one", for: .es256)
        }
    }
}

/// An issuer with one key, its clock in the test's hands.
private final class ScriptedIssuer: Sendable {
    private struct State {
        var asked: [String] = []
        var now = ContinuousClock.now
        var keys = "https://issuer.example.com/keys"
    }
    private let state = Mutex(State())
    private let keySet: String

    init(_ x: [UInt8], _ y: [UInt8]) {
        keySet =
            #"{"keys":[{"kty":"EC","crv":"P-256","kid":"one","x":"\#(Base64.encodeURLSafe(x))","y":"\#(Base64.encodeURLSafe(y))"}]}"#
    }

    var asked: [String] { state.withLock { $0.asked } }
    func now() -> ContinuousClock.Instant { state.withLock { $0.now } }
    func wait(_ span: Duration) { state.withLock { $0.now += span } }
    func sendElsewhere() { state.withLock { $0.keys = "https://elsewhere.example.com/keys" } }

    func get(_ url: String) async throws -> HTTPResponse {
        let keys = state.withLock { state in
            state.asked.append(url)
            return state.keys
        }
        let text =
            url.hasSuffix("/keys") ? keySet : #"{"issuer":"https://issuer.example.com","jwks_uri":"\#(keys)"}"#
        return HTTPResponse(status: 200, headers: [:], body: Array(text.utf8), url: url, elapsed: .zero)
    }
}
