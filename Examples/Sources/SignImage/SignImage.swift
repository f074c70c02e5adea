import Curl
import FoundationEssentials
import Glibc
import Sigstore

/// Signs an image as whoever the token names, and writes the bundle.
///
///     SignImage sha256:… CLIENT-TRUST-CONFIG TOKEN-FILE BUNDLE
@main enum SignImage {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 4 else { exit(2) }
        let image = try ArtifactDigest(arguments[0])
        let http = HTTPClient()
        defer { http.shutdown() }
        // other sources: AmbientTokenSource, KubernetesTokenSource, GitHubActionsTokenSource, …
        let signer = try KeylessSigner(
            ClientTrustConfig(json: read(arguments[1])), tokens: FileTokenSource(path: arguments[2]), http: http,
            route: route)
        let bundle = try await signer.sign(Statement(subjects: [.init(digest: [image.algorithm: image.hex])]))
        try Data(bundle.json()).write(to: URL(filePath: arguments[3]))
    }

    /// An instance on this machine, such as `countersign lab`, is spoken to in clear; any other is not.
    static func route(_ url: String) -> HTTPRoute {
        var route = HTTPRoute()
        if url.hasPrefix("http://127.0.0.1:") { (route.allowPlainHTTP, route.addresses) = (true, .privateAllowed) }
        return route
    }

    static func read(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }
}
