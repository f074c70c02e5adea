import ArgumentParser
import FoundationEssentials
import OpenSSL
import Sigstore

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
    @Flag(help: "Use the staging instance; its trusted root must be given all the same.") var staging = false
    @Option(help: "trusted_root.json of the instance.") var trustedRoot: String?

    /// The trusted root; there is none built in, so that nothing is trusted by accident.
    func root() throws -> TrustedRoot {
        guard let trustedRoot else {
            throw CommandFailure(
                code: "trust.missing", observed: "no trusted root is given, and none is built in",
                fix: "give --trusted-root; `countersign trust update` fetches one by TUF", status: 2)
        }
        return try TrustedRoot(json: ConformanceFile.bytes(trustedRoot))
    }
}

enum ConformanceFile {
    static func bytes(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(code: "file.unreadable", observed: "cannot read \(path)", status: 2)
        }
        return [UInt8](data)
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
        do {
            let (digest, contents) = try subject()
            let verified = try Verifier(root: trust.root()).verify(
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
