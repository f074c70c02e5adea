import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Glibc
import OCI
import Sigstore

/// What `verify` and `verify-attestation` have in common: who must have signed, whom to trust, whom to ask.
struct VerificationOptions: ParsableArguments {
    @OptionGroup(title: "Who must have signed") var identity: IdentityOptions
    @OptionGroup(title: "Whom to trust") var trust: TrustOptions
    @OptionGroup(title: "The registry") var registry: RegistryOptions
    @OptionGroup(title: "The logs") var online: OnlineOptions
    @OptionGroup(title: "The daemon") var withdrawals: WithdrawalOptions
    @Option(help: "A repository that the signature may be about, if the reference is a replica of it (host/name).")
    var repository: [String] = []
    @OptionGroup var signatures: SignatureRepositoryOption
    @OptionGroup var time: TimeoutOption
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    /// Judges what the registry serves.
    func report(
        _ predicateType: String, annotations: [String: String] = [:]
    ) async throws -> VerifyReference.Report {
        let reference = try Reference(argument: reference)
        var expectation = VerifyReference.Expectation(try identity.signer())
        expectation.predicateType = predicateType
        expectation.annotations = annotations
        if !repository.isEmpty { expectation.repositories = repository + [reference.repository.description] }
        let configuration = try trust.config.map { try ConfigurationOption.load($0) }
        let trust = try await trust.verifying(isOnline: online.isOnline)
        expectation.demands = identity.demands(beside: trust.verifier.demands)
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let (client, place) = try registry.places(
            of: reference.repository, signatures: signatures, configuration, http: http)
        var report = try await online.with(trust, configuration, http: http) { online in
            let verify = VerifyReference(
                registry: client, signatures: place, verifier: trust.verifier, expecting: expectation, online: online)
            return try await time.limit { try await verify.verify(reference) }
        }
        report.trustExpiry = trust.expiry()
        let approved = try repository.map { try Reference(argument: $0).repository }
        report.revocation = try await withdrawals.revocation(
            of: [report.digest] + report.otherDigests, in: [reference.repository] + approved,
            isSigned: report.isVerified, configuration)
        return report
    }
}

/// How a verification is printed.
enum ReportForm: String, ExpressibleByArgument, CaseIterable {
    case text, json, cosign, policy
}

struct ReportOutputOption: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: "text; json; cosign (what cosign prints); policy (what Rego policies read as input).")
    var output: ReportForm = .text

    /// Prints the report, and ends with status 1 if nothing verified, or 3 if that is for what could not be read.
    func tell(_ report: VerifyReference.Report) throws {
        let answer = VerificationAnswer(report)
        switch output {
        case .text: Console.write(Array(answer.text.utf8))
        case .json: try Console.json(answer)
        case .policy: Console.write(try PolicyOutput.document(report))
        case .cosign:
            if report.isVerified {
                Console.write(
                    report.predicateType == Statement.cosignSignPredicateType
                        ? CosignOutput.signatures(report) : CosignOutput.attestations(report))
            }
        }
        guard !report.isVerified else { return }
        // whoever reads one of the machines' forms sees the reasons here
        if output == .cosign || output == .policy { Console.error(String(answer.text.dropLast())) }
        throw ExitCode(report.isUndetermined ? 3 : 1)
    }
}
