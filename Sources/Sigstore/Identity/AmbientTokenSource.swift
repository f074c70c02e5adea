public import Curl
import Glibc

/// The token of wherever this process happens to run: the first of the well-known places that has one. For people and
/// pipelines that sign by hand; a daemon should be told its source.
///
/// In this order: `SIGSTORE_ID_TOKEN`; GitHub Actions; Buildkite; `/var/run/sigstore/cosign/oidc-token` (cosign's); SPIFFE
/// (`SPIFFE_ENDPOINT_SOCKET`); Azure (`AZURE_FEDERATED_TOKEN_FILE`); Google (on its machines, or `GCE_METADATA_HOST`).
/// AWS is not guessed: its issuer has to be enabled, and an account has many roles.
public struct AmbientTokenSource: IdentityTokenSource {
    private let candidates: [(isPresent: @Sendable () -> Bool, source: any IdentityTokenSource)]

    /// A source for tokens with that audience.
    public init(
        audience: String, http: HTTPClient, route: HTTPRoute = .init(), environment: EnvironmentReader = .process
    ) {
        func isSet(_ name: String) -> @Sendable () -> Bool { { @Sendable in environment[name] != nil } }
        func exists(_ path: String) -> @Sendable () -> Bool { { @Sendable in access(path, F_OK) == 0 } }
        let cosignFile = "/var/run/sigstore/cosign/oidc-token"
        let metadataHost = environment["GCE_METADATA_HOST"]
        candidates = [
            (
                isSet("SIGSTORE_ID_TOKEN"),
                EnvironmentTokenSource(variable: "SIGSTORE_ID_TOKEN", environment: environment)
            ),
            (
                isSet("ACTIONS_ID_TOKEN_REQUEST_URL"),
                GitHubActionsTokenSource(audience: audience, http: http, route: route, environment: environment)
            ),
            (
                isSet("BUILDKITE_AGENT_ACCESS_TOKEN"),
                BuildkiteTokenSource(audience: audience, http: http, route: route, environment: environment)
            ),
            (exists(cosignFile), FileTokenSource(path: cosignFile)),
            (
                isSet("SPIFFE_ENDPOINT_SOCKET"),
                SPIFFETokenSource(audience: audience, http: http, route: route, environment: environment)
            ),
            (
                isSet("AZURE_FEDERATED_TOKEN_FILE"),
                AzureTokenSource(.init(), audience: audience, http: http, route: route, environment: environment)
            ),
            (
                { @Sendable in metadataHost != nil || Self.isGoogleMachine },
                GoogleMetadataTokenSource(audience: audience, http: http, route: route, host: metadataHost)
            ),
        ]
    }

    /// The source that would be asked now; nil if there is none.
    public var detected: (any IdentityTokenSource)? { candidates.first { $0.isPresent() }?.source }

    public var description: String {
        detected.map { "\($0.description) (found here)" } ?? "none of the well-known places"
    }

    public func token() async throws(SigstoreError) -> IdentityToken {
        guard let detected else {
            throw .identity(
                .missing(
                    source: "the well-known places",
                    detail: "no SIGSTORE_ID_TOKEN, GitHub Actions, Buildkite, SPIFFE, Azure or Google here"))
        }
        return try await detected.token()
    }

    /// As Google's own libraries tell, without a question to the network.
    private static var isGoogleMachine: Bool {
        guard let text = try? FileTokenSource(path: "/sys/class/dmi/id/product_name").text() else { return false }
        return text.hasPrefix("Google")
    }
}
