import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify what the registry serves for a reference, with our own verifier.",
        discussion: """
            Checks signature, certificate chain, SCT, identity, issuer, statement, repository, timestamp, inclusion proof,
            checkpoint and signed entry timestamp against the trusted root. Needs no daemon.
            Exit status 0 if a signature by that identity verifies, 1 if none does, 3 if the registry could not be asked.
            """)

    @OptionGroup var output: OutputOption
    @Option(help: "trusted_root.json of the Sigstore instance.") var trustedRoot: String
    @Option(help: "The certificate's subject alternative name, exactly.") var certificateIdentity: String?
    @Option(help: "The same as a regular expression; anchor it.") var certificateIdentityRegexp: String?
    @Option(help: "The certificate's OIDC issuer, exactly.") var certificateOidcIssuer: String?
    @Option(help: "The same as a regular expression; anchor it.") var certificateOidcIssuerRegexp: String?
    @Option(help: "A repository that the signature may be about, if the reference is a replica of it (host/name).")
    var repository: [String] = []
    @OptionGroup var registry: RegistryOptions
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    mutating func validate() throws {
        guard (certificateIdentity == nil) != (certificateIdentityRegexp == nil),
            (certificateOidcIssuer == nil) != (certificateOidcIssuerRegexp == nil)
        else {
            throw ValidationError(
                "Say who must have signed: --certificate-identity and --certificate-oidc-issuer (or one of the -regexp forms each). "
                    + "Without both, anybody's signature would do.")
        }
    }

    func run() async throws {
        let parsed = try Reference(argument: reference)
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        var expectation = VerifyReference.Expectation(.certificate(try identity()))
        if !repository.isEmpty { expectation.repositories = repository + [parsed.repository.description] }
        let report = try await VerifyReference(
            registry: registry.client(for: parsed.repository.registry, http: http),
            verifier: Verifier(root: try root()), expecting: expectation
        ).verify(parsed)
        switch output.output {
        case .json: try Console.json(VerificationAnswer(report))
        case .text: VerificationAnswer(report).tell()
        }
        if !report.isVerified { throw ExitCode(1) }
    }

    private func identity() throws -> CertificateIdentity {
        func pattern(_ exact: String?, _ regexp: String?) -> CertificateIdentity.Pattern {
            if let exact { .exact(exact) } else { .regex(regexp ?? "") }
        }
        do {
            return try CertificateIdentity(
                subjectAlternativeName: pattern(certificateIdentity, certificateIdentityRegexp),
                issuer: pattern(certificateOidcIssuer, certificateOidcIssuerRegexp))
        } catch {
            throw CommandFailure(code: error.code, observed: error.observed, fix: error.fix, status: 2)
        }
    }

    private func root() throws -> TrustedRoot {
        guard let bytes = FileManager.default.contents(atPath: trustedRoot) else {
            throw CommandFailure(
                code: "trust.unreadable", observed: "cannot read \(trustedRoot)",
                fix: "give the trusted_root.json of the Sigstore instance that signed", status: 2)
        }
        return try TrustedRoot(json: [UInt8](bytes))
    }
}

/// The answer of `verify` as scripts read it.
struct VerificationAnswer: Encodable {
    struct Log: Encodable {
        let index: Int64
        let logId: String
        let integratedAt: Date?
    }
    struct Signature: Encodable {
        let referrer: String
        let identity: String
        let issuer: String
        let signedAt: Date?
        let tlog: Log?
        let annotations: [String: String]
        let checks: [String]
    }
    struct Rejected: Encodable {
        let referrer: String
        let code: String
        let observed: String
    }
    let reference: String
    let digest: String
    let verified: Bool
    let signatures: [Signature]
    let rejected: [Rejected]

    init(_ report: VerifyReference.Report) {
        reference = report.reference.description
        digest = report.digest.description
        verified = report.isVerified
        signatures = report.signatures.map { signature in
            return Signature(
                referrer: signature.location.description, identity: signature.verified.identity,
                issuer: signature.verified.issuer, signedAt: signature.verified.time,
                tlog: signature.verified.tlogEntry.map { entry in
                    Log(
                        index: entry.logIndex, logId: Hex.encode(entry.logID),
                        integratedAt: entry.integratedTime > 0
                            ? Date(timeIntervalSince1970: Double(entry.integratedTime)) : nil)
                },
                annotations: signature.verified.annotations, checks: signature.verified.checks)
        }
        rejected = report.rejected.map {
            Rejected(referrer: $0.location.description, code: $0.code, observed: $0.observed)
        }
    }

    func tell() {
        print(verified ? "verified" : "NOT VERIFIED", " \(reference)", separator: " ")
        print("  digest    \(digest)")
        for signature in signatures {
            print("  signed by \(signature.identity)")
            print("  issuer    \(signature.issuer)")
            if let signedAt = signature.signedAt { print("  signed at \(signedAt.formatted(.iso8601))") }
            if let tlog = signature.tlog { print("  log index \(tlog.index)") }
            for check in signature.checks { print("    · \(check)") }
        }
        for one in rejected { print("  rejected  \(one.referrer): \(one.observed) [\(one.code)]") }
        if signatures.isEmpty, rejected.isEmpty { print("  no signature is attached to it") }
    }
}
