import ArgumentParser
import Countersign
import Sigstore

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify the signatures that the registry serves for a reference.",
        discussion: """
            Bundles and cosign's older signatures, with our own verifier: signature, certificate chain, SCT, identity, issuer,
            statement, repository, timestamp, inclusion proof, checkpoint and signed entry timestamp. Needs no daemon; with
            --config its database says whether the artifact was revoked, which then does not verify.
            Exit status 0 if a signature as expected verifies, 1 if none does, 3 if the registry (or, online, the log; with
            --config the database; with --api the daemon) could not be asked.
            """)

    @OptionGroup var options: VerificationOptions
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("What the signer must have said of the artifact; may be given repeatedly.", valueName: "k=v")
    )
    var annotations: [String] = []
    @OptionGroup var output: ReportOutputOption

    func validate() throws { _ = try expected() }

    func run() async throws {
        try output.tell(
            try await options.report(Statement.cosignSignPredicateType, annotations: try expected()))
    }

    private func expected() throws -> [String: String] {
        var expected: [String: String] = [:]
        for text in annotations {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw ValidationError("--annotations takes name=value, not \"\(text)\".")
            }
            // of two values one would not be checked
            guard expected[parts[0]] == nil || expected[parts[0]] == parts[1] else {
                throw ValidationError("--annotations expects two values of \"\(parts[0])\".")
            }
            expected[parts[0]] = parts[1]
        }
        return expected
    }
}

struct VerifyAttestationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-attestation", abstract: "Verify the attestations of one type that the registry serves.",
        discussion: """
            Bundles and cosign's .att layers. A document that is attested by reference is fetched from the registry and its
            digest compared with the signed one.
            Exit status 0 if an attestation as expected verifies, 1 if none does, 3 if it could not be found out.
            """)

    @OptionGroup var options: VerificationOptions
    @Option(
        help: ArgumentHelp(
            "spdx, spdxjson, cyclonedx, vex, openvex, csaf, slsaprovenance, slsaprovenance02, slsaprovenance1, vuln, test-result, link, custom, or a URI.",
            valueName: "type"))
    var type: String
    @OptionGroup var output: ReportOutputOption

    func validate() throws { _ = try predicateType() }

    func run() async throws {
        try output.tell(try await options.report(try predicateType()))
    }

    private func predicateType() throws -> String {
        do throws(SigstoreError) {
            return try PredicateType(type).uri
        } catch {
            throw ValidationError(error.observed)
        }
    }
}
