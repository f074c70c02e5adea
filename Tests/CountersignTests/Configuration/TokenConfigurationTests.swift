import Curl
import FoundationEssentials
import Sigstore
import Support
import Testing

@testable import Countersign

@Suite struct TokenConfigurationTests {
    private func configuration(token: String) throws(ConfigurationError) -> Configuration {
        let identity = "{token: \(token), subject_alternative_name: a@b.example, issuer: 'https://issuer.example'}"
        return try Configuration.parse(text(identity: identity), directory: "/etc", sources: .example)
    }

    private func text(identity: String) -> String {
        let usual = [
            "  identity:", "    token: {env: TOKEN}", "    subject_alternative_name: a@example.com",
            "    issuer: https://issuer.example.com",
        ]
        return minimal.replacing(usual.joined(separator: "\n"), with: "  identity: \(identity)")
    }

    @Test func `every kind has a key of its own, and operations.md says what it needs`() throws {
        let keys = TokenSourceKinds.all.map { $0.key }
        #expect(!keys.isEmpty && Set(keys).count == keys.count)
        let page = try String(contentsOfFile: "\(packageRoot)/docs/operations.md", encoding: .utf8)
        for key in keys { #expect(page.contains("`\(key): "), "\(key) is not described") }
    }

    @Test func `sources are equal if they are of one kind and say the same`() {
        typealias Source = IdentityConfiguration.TokenSource
        #expect(Source.file("a") == .file("a"))
        #expect(Source.file("a") != .file("b"))
        #expect(Source.file("a") != .environment("a"))
    }

    @Test func `who names no source, or two, is told all there are`() throws {
        let all =
            "give exactly one source of identity tokens: file, env, kubernetes, github_actions, gitlab, circleci, buildkite, "
            + "google, azure, azure_federated_token, aws, aws_irsa, spiffe, client_credentials, token_exchange, exec, auto"
        for token in ["{}", "{aws: {}, env: A}"] {
            do {
                _ = try configuration(token: token)
                Issue.record("\(token) is taken")
            } catch { #expect(error.problems.map(\.message) == [all]) }
        }
    }

    private func problems(_ identity: String) -> [String] {
        do {
            _ = try Configuration.parse(text(identity: identity), directory: "/etc", sources: .example)
            return []
        } catch { return error.problems.map(\.path) }
    }

    @Test(arguments: [
        ("{file: token}", "file /etc/token"), ("{env: T}", "environment variable T"),
        ("{gitlab: {}}", "environment variable SIGSTORE_ID_TOKEN"),
        ("{circleci: {}}", "environment variable CIRCLE_OIDC_TOKEN_V2"),
        ("{kubernetes: {}}", "Kubernetes TokenRequest for (own)/(own)"),
        ("{kubernetes: {namespace: ci, service_account: signer}}", "Kubernetes TokenRequest for ci/signer"),
        ("{github_actions: {}}", "GitHub Actions"), ("{buildkite: {}}", "Buildkite"),
        ("{google: {}}", "Google's metadata server, account default"),
        ("{google: {impersonate: a@b.example}}", "Google service account a@b.example, impersonated"),
        ("{azure: {}}", "Entra ID with a federated token"),
        ("{azure_federated_token: {}}", "the file that AZURE_FEDERATED_TOKEN_FILE names"),
        ("{aws: {region: eu-west-1}}", "AWS STS GetWebIdentityToken"),
        ("{aws_irsa: {}}", "the file that AWS_WEB_IDENTITY_TOKEN_FILE names"),
        ("{spiffe: {socket: /run/agent.sock}}", "SPIFFE Workload API at /run/agent.sock"),
        (
            "{client_credentials: {url: 'https://idp.example/token', client_id: c, client_secret: {file: s}}}",
            "client credentials at https://idp.example/token as c"
        ),
        (
            "{token_exchange: {url: 'https://idp.example/token', subject_token: {env: T}}}",
            "token exchange at https://idp.example/token for the token of environment variable T"
        ),
        ("{exec: {command: [/bin/token, x]}}", "program /bin/token"),
    ])
    func `each kind becomes its source`(token: String, description: String) throws {
        let source = try #require(try configuration(token: token).sigstore.identity.token)
        #expect(source.source(audience: "sigstore", http: HTTPClient()).description == description)
    }

    @Test(arguments: [
        ("{token: {}, subject_alternative_name: a, issuer: b}", "sigstore.identity.token.file"),
        ("{token: {file: a, env: B}, subject_alternative_name: a, issuer: b}", "sigstore.identity.token.file"),
        ("{token: {aws: {}, auto: {}}, subject_alternative_name: a, issuer: b}", "sigstore.identity.token.file"),
        ("{token: {kubernets: {}}, subject_alternative_name: a, issuer: b}", "sigstore.identity.token.kubernets"),
        (
            "{token: {exec: {command: []}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.exec.command"
        ),
        (
            "{token: {exec: {command: [a], max_output: 2MiB}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.exec.max_output"
        ),
        ("{token: {aws: {life: 10s}}, subject_alternative_name: a, issuer: b}", "sigstore.identity.token.aws.life"),
        (
            "{token: {aws: {algorithm: none}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.aws.algorithm"
        ),
        (
            "{token: {kubernetes: {life: 1m}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.kubernetes.life"
        ),
        (
            "{token: {kubernetes: {url: 'http://api'}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.kubernetes.url"
        ),
        (
            "{token: {spiffe: {socket: 'tcp://a'}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.spiffe.socket"
        ),
        (
            "{token: {google: {impersonate: someone}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.google.impersonate"
        ),
        (
            "{token: {client_credentials: {client_id: a}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.client_credentials.url"
        ),
        (
            "{token: {client_credentials: {url: 'https://a', client_secret: in-clear}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.client_credentials.client_secret"
        ),
        (
            "{token: {token_exchange: {url: 'https://a'}}, subject_alternative_name: a, issuer: b}",
            "sigstore.identity.token.token_exchange.subject_token.file"
        ),
        ("{token: {env: T}, issuer: b}", "sigstore.identity.subject_alternative_name"),
        ("{key: {file: k}, token: {env: T}}", "sigstore.identity.key"),
        ("{key: {file: k}, issuer: b}", "sigstore.identity.issuer"),
        ("{key: {password: {file: s}}}", "sigstore.identity.key.file"),
    ])
    func `what cannot be meant is refused at its path`(identity: String, path: String) {
        #expect(problems(identity).contains(path), "\(problems(identity))")
    }
}
