import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct WorkloadIdentityTests {
    @Test func `a GitHub workflow's certificate has its URL for a name and every claim as an extension`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let subject = "repo:acme/tool:environment:production"
            let token = try await lab.token(
                subject: subject, issuer: .github, workflow: ["ref": "refs/tags/v1", "sha": "feedbeef", "run_id": "77"])
            let leaf = try await Self.leaf(token, over: subject, endpoints, client)
            let workflow = "https://github.com/acme/tool/.github/workflows/release.yml@refs/tags/v1"
            #expect(leaf.subjectAlternativeNames == [.uri(workflow)])
            let expected: [Int: String] = [
                1: endpoints.issuer(.github), 2: "push", 3: "feedbeef", 4: "release", 5: "acme/tool",
                6: "refs/tags/v1", 8: endpoints.issuer(.github), 9: workflow, 11: "github-hosted",
                12: "https://github.com/acme/tool", 13: "feedbeef", 14: "refs/tags/v1", 15: "710000001",
                16: "https://github.com/acme", 17: "42000001", 18: workflow, 20: "push",
                21: "https://github.com/acme/tool/actions/runs/77/attempts/1", 22: "private", 23: "production",
                24: subject,
            ]
            for (number, text) in expected {
                let value = leaf.extensionValue("1.3.6.1.4.1.57264.1.\(number)")
                #expect(value == (number < 7 ? Array(text.utf8) : DER.utf8String(text)), "\(number)")
            }
            #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.10")?.count == 42)
            #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.7") == nil)
        }
    }

    @Test func `a SPIFFE ID of the trust domain is a name, of another it is not`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let id = "spiffe://countersign.lab/ns/ci/sa/builder"
            let leaf = try await Self.leaf(
                try await lab.token(subject: id, issuer: .spiffe), over: id, endpoints, client)
            #expect(leaf.subjectAlternativeNames == [.uri(id)])
            for id in [
                "spiffe://other.lab/ns/ci", "spiffe://countersign.lab.evil/x", "spiffe://countersign.lab/a//b",
                "spiffe://countersign.lab/../x", "spiffe://countersign.lab/", "https://countersign.lab/x", "",
            ] {
                let answer = try await client.post(
                    "\(endpoints.fulcio)/api/v2/signingCert",
                    try FulcioReplayTests.request(for: PrivateKey.generate(.ecdsaP256), over: id),
                    bearer: try await lab.token(subject: id, issuer: .spiffe))
                #expect(answer.status == 400, "\(id)")
            }
        }
    }

    @Test func `Fulcio's configuration lists every issuer with its challenge claim`() async throws {
        try await RunningLab.run { _, endpoints, client in
            struct Configuration: Decodable {
                struct Issuer: Decodable {
                    let issuerUrl: String
                    let challengeClaim: String
                    let issuerType: String
                    let spiffeTrustDomain: String
                }
                let issuers: [Issuer]
            }
            let json = try await client.get("\(endpoints.fulcio)/api/v2/configuration").body
            let issuers = try JSONDecoder().decode(Configuration.self, from: Data(json)).issuers
            #expect(issuers.map(\.issuerUrl) == IssuerKind.allCases.map(endpoints.issuer))
            #expect(issuers.filter { $0.challengeClaim == "email" }.map(\.issuerType) == ["email"])
            #expect(issuers.filter { $0.spiffeTrustDomain == "countersign.lab" }.map(\.issuerType) == ["spiffe"])
        }
    }

    @Test func `a step of GitHub Actions gets its token where it asks for it`() async throws {
        try await RunningLab.run { _, endpoints, client in
            let url = "\(endpoints.issuer(.github))/request?audience=sigstore"
            #expect(try await client.get(url).status == 401)
            let answer = try await client.send(
                HTTPRequest(.get, url, headers: ["Authorization": "Bearer runner"], route: RunningLab.route))
            let token = try #require(
                try JSONDecoder().decode([String: String].self, from: Data(answer.body))["value"])
            _ = try await Self.leaf(token, over: "repo:acme/app:ref:refs/heads/main", endpoints, client)
        }
    }

    @Test(arguments: ["", "acme/app", "repo:acme", "repo:acme/app", "user:acme/app:ref:x"])
    func `what is no GitHub subject gets no token`(subject: String) throws {
        #expect(throws: LabError.self) { try WorkflowClaims(subject: subject, given: [:]) }
        #expect(throws: LabError.self) { try WorkflowClaims(subject: "repo:a/b:ref:c", given: ["actor": "x"]) }
    }

    private static func leaf(
        _ token: String, over challenge: String, _ endpoints: LabEndpoints, _ client: HTTPClient
    ) async throws -> Certificate {
        let answer = try await client.post(
            "\(endpoints.fulcio)/api/v2/signingCert",
            try FulcioReplayTests.request(for: PrivateKey.generate(.ecdsaP256), over: challenge), bearer: token)
        #expect(answer.status == 200)
        return try FulcioReplayTests.certificates(answer.body)[0]
    }
}
