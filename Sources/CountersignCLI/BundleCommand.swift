import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Sigstore

struct BundleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle", abstract: "Bundles in files.", subcommands: [BundleVerifyCommand.self])
}

struct BundleVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify a bundle in a file, of a blob or of an image; no registry is asked.",
        discussion: "Exit status 0 if it verifies, 1 if not, 2 for misuse, 3 if it could not be found out.")

    @OptionGroup(title: "Who must have signed") var identity: IdentityOptions
    @OptionGroup(title: "Whom to trust") var trust: TrustOptions
    @OptionGroup(title: "The logs") var online: OnlineOptions
    @Option(help: "The file that was signed.") var artifact: String?
    @Option(help: "Its digest, or the image's: sha256:….") var digest: String?
    @Option(help: "The kind of statement that counts, as in verify-attestation. Default: any, or none.")
    var type: String?
    @OptionGroup var output: OutputOption
    @Argument(help: "The bundle (.sigstore.json).") var bundle: String

    func validate() throws {
        guard (artifact == nil) != (digest == nil) else {
            throw ValidationError("Say what was signed: --artifact FILE or --digest sha256:….")
        }
        do throws(SigstoreError) {
            if let digest { _ = try ArtifactDigest(digest) }
            _ = try predicateType()
        } catch {
            throw ValidationError(error.observed)
        }
    }

    private func predicateType() throws(SigstoreError) -> String? {
        guard let type else { return nil }
        return type == Statement.cosignSignPredicateType ? type : try PredicateType(type).uri
    }

    func run() async throws {
        let configuration = try trust.config.map { try ConfigurationOption.load($0) }
        let trust = try await trust.verifying(isOnline: online.isOnline)
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        var answer = try await online.with(trust, configuration, http: http) { online in
            try await VerifyBundleFile(
                verifier: trust.verifier, by: try identity.signer(), expecting: try predicateType(),
                demanding: identity.demands(beside: trust.verifier.demands), online: online
            ).answer(bundle, of: try artifact.map { .file($0) } ?? .digest(ArtifactDigest(digest ?? "")))
        }
        answer.trustExpiry = trust.expiry()
        switch output.output {
        case .json: try Console.json(answer)
        case .text: Console.write(Array(answer.text.utf8))
        }
        if !answer.verified { throw ExitCode(1) }
    }
}
