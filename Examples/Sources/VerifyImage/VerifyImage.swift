import FoundationEssentials
import Glibc
import Sigstore

/// Is the bundle in a file a signature of this image, by this identity?
///
///     VerifyImage BUNDLE sha256:… TRUSTED-ROOT IDENTITY ISSUER
@main enum VerifyImage {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 5 else { exit(2) }
        // parsed once, it verifies any number of bundles
        let verifier = Verifier(root: try TrustedRoot(json: read(arguments[2])))
        let signer = try CertificateIdentity(
            subjectAlternativeName: .exact(arguments[3]), issuer: .exact(arguments[4]))
        do {
            let verified = try verifier.verify(
                UnverifiedBundle(json: read(arguments[0])), artifact: ArtifactDigest(arguments[1]), identity: signer,
                // an SBOM by the same identity is no signature of the image
                expecting: Statement.cosignSignPredicateType)
            for step in verified.steps { print(step.clause, step) }
        } catch let error as VerificationError {
            print("step \(error.clause): \(error.observed)\n\(error.fix)")
            exit(1)
        }
    }

    static func read(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }
}
