import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Sigstore

/// `sign-bundle`: signs a file, or the in-toto statement that it is, and writes the bundle.
struct ConformanceSigning: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sign-bundle")

    @OptionGroup var trust: ConformanceTrust
    @Flag(help: "The file is an in-toto statement.") var inToto = false
    @Option(help: "The identity token.") var identityToken: String
    @Option(help: "Where to write the bundle.") var bundle: String
    @Option(help: "signing_config.json of the instance. Default: what its TUF repository says.") var signingConfig:
        String?
    @Argument(help: "The file to sign.") var file: String

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let services = try await trust.services(signingConfig, http: http)
        let root = try await trust.root(http: http)
        let signer = KeylessSigner(
            try KeylessSigner.Services(services, trusting: root, http: http, route: Self.route),
            tokens: try IdentityToken(identityToken), verifier: Verifier(root: root))
        let bytes = try ConformanceFile.bytes(file)
        let signed =
            inToto
            ? try await signer.sign(statement: bytes)
            : try await signer.sign(ArtifactDigest(sha256Of: bytes))
        let json = try signed.json()
        guard FileManager.default.createFile(atPath: bundle, contents: Data(json)) else {
            throw CommandFailure(code: "file.unwritable", observed: "cannot write \(bundle)")
        }
    }

    /// Private addresses and plain HTTP only for an instance on this machine.
    private static func route(_ url: String) -> HTTPRoute {
        var route = HTTPRoute()
        guard url.hasPrefix("http://127.0.0.1:") || url.hasPrefix("http://localhost:") else { return route }
        route.allowPlainHTTP = true
        route.addresses = .privateAllowed
        return route
    }
}
