import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OpenSSL
import Sigstore
import TUF

/// The client protocol of the sigstore-conformance suite (its `docs/cli_protocol.md`), which compares Sigstore clients.
///
/// For people there are `sign` and `verify`: here the identity token stands on the command line, as the protocol has it.
struct ConformanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance", abstract: "The client protocol of sigstore-conformance.", shouldDisplay: false,
        subcommands: [ConformanceSigning.self, ConformanceVerification.self])
}

/// What both directions take.
struct ConformanceTrust: ParsableArguments {
    @Flag(help: "The instance is staging, not the public good one.") var staging = false
    @Option(help: "trusted_root.json of the instance. Default: what its TUF repository says.") var trustedRoot: String?

    /// The trusted root.
    func root(http: HTTPClient) async throws -> TrustedRoot {
        if let trustedRoot { return try TrustedRoot(json: ConformanceFile.bytes(trustedRoot)) }
        return try TrustedRoot(json: await documents(http).trustedRoot)
    }

    /// Where to sign.
    /// - Parameter file: signing_config.json, if it is given.
    func services(_ file: String?, http: HTTPClient) async throws -> SigningConfig {
        if let file { return try SigningConfig(json: ConformanceFile.bytes(file)) }
        guard let json = try await documents(http).signingConfig else {
            throw CommandFailure(
                code: "trust.missing", observed: "the instance's TUF repository has no signing configuration",
                fix: "give --signing-config")
        }
        return try SigningConfig(json: json)
    }

    /// What the instance's TUF repository says now; what was learned of it is kept in this user's cache.
    private func documents(_ http: HTTPClient) async throws -> TrustDocuments {
        let instance: PublicInstance = staging ? .staging : .publicGood
        return try await instance.repository(http: http) { TUFCacheDirectory(ofUserFor: $0) }.documents()
    }
}

enum ConformanceFile {
    static func bytes(_ path: String) throws -> [UInt8] {
        try NamedFile(path: path).contents(atMost: NamedFile.heldLimit)
    }
}

/// `verify-bundle`: exit status 0 if it verifies, 1 if not.
struct ConformanceVerification: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "verify-bundle")

    @OptionGroup var trust: ConformanceTrust
    @Option(help: "The bundle.") var bundle: String
    @Option(help: "The expected subject alternative name.") var certificateIdentity: String?
    @Option(help: "The expected issuer.") var certificateOidcIssuer: String?
    @Option(help: "PEM of the key that must have signed, in place of an identity.") var key: String?
    @Argument(help: "The artifact, or its digest as sha256:….") var artifact: String

    func validate() throws {
        let named = [certificateIdentity, certificateOidcIssuer].compactMap(\.self).count
        guard named == (key == nil ? 2 : 0) else {
            throw ValidationError("Give --key, or --certificate-identity and --certificate-oidc-issuer.")
        }
    }

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        do {
            let (digest, contents) = try subject()
            let verified = try Verifier(root: await trust.root(http: http)).verify(
                UnverifiedBundle(json: ConformanceFile.bytes(bundle), limits: UnverifiedBundle.attestationLimits),
                over: contents, artifact: digest, by: signer())
            for step in verified.steps { print("\(step.clause) \(step)") }
            for warning in verified.warnings { Console.error("warning: \(warning)") }
        } catch let error as VerificationError {
            throw CommandFailure(
                code: error.code, observed: "step \(error.clause): \(error.observed)", fix: error.fix, status: 1)
        } catch let error as SigstoreError {
            throw CommandFailure(code: error.code, observed: error.observed, fix: error.fix, status: 1)
        }
    }

    /// A digest if it looks like one and is no file; else the file and its digest (the protocol's rule).
    private func subject() throws -> (ArtifactDigest, [UInt8]?) {
        if artifact.hasPrefix("sha256:"), !FileManager.default.fileExists(atPath: artifact),
            let digest = try? ArtifactDigest(artifact)
        {
            return (digest, nil)
        }
        let contents = try ConformanceFile.bytes(artifact)
        return (ArtifactDigest(sha256Of: contents), contents)
    }

    private func signer() throws -> Verifier.ExpectedSigner {
        if let key {
            do throws(CryptoError) {
                return .publicKey(
                    try PublicKey(pem: String(decoding: (try? ConformanceFile.bytes(key)) ?? [], as: UTF8.self)))
            } catch {
                throw CommandFailure(code: error.code, observed: "\(key): \(error)", status: 2)
            }
        }
        return .certificate(
            try CertificateIdentity(
                subjectAlternativeName: .exact(certificateIdentity ?? ""), issuer: .exact(certificateOidcIssuer ?? "")))
    }
}
