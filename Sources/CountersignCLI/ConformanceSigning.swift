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
    @Option(help: "signing_config.json of the instance.") var signingConfig: String?
    @Argument(help: "The file to sign.") var file: String

    func run() async throws {
        guard let signingConfig else {
            throw CommandFailure(
                code: "trust.missing", observed: "no signing configuration is given, and none is built in",
                fix: "give --signing-config and --trusted-root of the instance", status: 2)
        }
        let root = try trust.root()
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let signer = KeylessSigner(
            try KeylessSigner.Services(
                SigningConfig(json: ConformanceFile.bytes(signingConfig)), trusting: root, http: http,
                route: Self.route),
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
