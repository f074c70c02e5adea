import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract:
            "Tell what the signatures and attestations of an artifact say: certificates, log entries, timestamps.",
        discussion: """
            Reads, and judges nothing, unless it is said whom to trust: then each is verified besides, whoever signed it; of
            those by a key the ones by --key, since a key is not known by anything else. Whether the right one signed is for
            `countersign verify`.
            Exit status 0 if there is a signature, 1 if there is none (or one does not verify), 3 if the registry could not be
            asked, or if it hangs on what is attached and was not read.
            """)

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var signatures: SignatureRepositoryOption
    @OptionGroup(title: "Whom to trust") var trust: TrustOptions
    @Option(help: "PEM public key: verify the signatures by a key as this one's.") var key: String?
    @Flag(help: "A signature by --key need not be in a log.") var insecureIgnoreTlog = false
    @Flag(help: "Certificates need no certificate transparency timestamp: for instances without such a log.")
    var insecureIgnoreSct = false
    @OptionGroup var output: OutputOption
    @OptionGroup var time: TimeoutOption
    @Option(help: "Describe the bundle in this file instead.") var bundle: String?
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String?

    func validate() throws {
        guard (reference == nil) != (bundle == nil) else {
            throw ValidationError("Say what to describe: a reference, or --bundle FILE.")
        }
        guard bundle == nil || !trust.isGiven else {
            throw ValidationError(
                "A bundle alone does not say which artifact it is of: `countersign bundle verify` does that.")
        }
        guard trust.isGiven || (key == nil && !insecureIgnoreTlog && !insecureIgnoreSct) else {
            throw ValidationError(
                "Nothing is verified unless it is said whom to trust: \(TrustOptions.ways)."
            )
        }
        guard key != nil || !insecureIgnoreTlog else {
            throw ValidationError("Only a key's signature may be without log: a certificate lives for minutes.")
        }
    }

    func run() async throws {
        let report = try await report()
        switch output.output {
        case .json: try Console.json(report)
        case .text: report.tell()
        }
        if report.undetermined == true { throw ExitCode(3) }
        if report.signatures.isEmpty || report.signatures.contains(where: { $0.verified == false }) {
            throw ExitCode(1)
        }
    }

    private func report() async throws -> DescribeReference.Report {
        if let bundle {
            let read = try UnverifiedBundle(
                json: ConformanceFile.bytes(bundle), limits: UnverifiedBundle.attestationLimits)
            return DescribeReference.Report(file: bundle, SignatureDescription(.bundle(read), at: bundle))
        }
        let parsed = try Reference(argument: reference ?? "")
        let configuration = try trust.config.map { try ConfigurationOption.load($0) }
        let judge = try await judge()
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let (client, place) = try registry.places(
            of: parsed.repository, signatures: signatures, configuration, http: http)
        let describe = DescribeReference(registry: client, place: place, judge: judge)
        return try await time.limit { try await describe.describe(parsed) }
    }

    private func judge() async throws -> SignatureJudge? {
        guard trust.isGiven else { return nil }
        let verifier = try await trust.verifying(isOnline: false).verifier
        return SignatureJudge(
            verifier, key: try key.map { try PublicKey(file: $0) },
            demanding: verifier.demands.waiving(
                unloggedKeys: insecureIgnoreTlog, untransparentCertificates: insecureIgnoreSct))
    }
}

extension DescribeReference.Report {
    fileprivate func tell() {
        print(reference)
        if let digest { print("  digest      \(digest)") }
        if let signatureRepository, ![":", "@"].contains(where: { reference.hasPrefix(signatureRepository + $0) }) {
            print("  looked in   \(signatureRepository)")
        }
        for signature in signatures { signature.tell() }
        for one in unreadable { print("\n\(one.location)\n  unreadable  \(one.observed) [\(one.code)]") }
        if undetermined == true {
            print("\nundetermined: not all that is attached to it could be read")
        } else if signatures.isEmpty {
            print("  no signature and no attestation is attached to it")
        }
    }
}

extension SignatureDescription {
    fileprivate func tell() {
        func line(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            print("  \(name)\(String(repeating: " ", count: max(1, 12 - name.count)))\(value.printable)")
        }
        print("\n\(location)")
        switch verified {
        case true?: line("verified", "against the trusted root, whoever signed it")
        case false?: line("VERIFIES NOT", refusal)
        case nil:
            line(
                "unverified",
                refusal.map { "\($0) (--key): what follows is what it says of itself" }
                    ?? "what follows is what it says of itself")
        }
        for problem in problems { line("unreadable", problem) }
        line("format", format)
        line("predicate", predicateType)
        for subject in subjects { line("about", subject) }
        if subjectCount > subjects.count { line("", "and \(subjectCount - subjects.count) more") }
        for (name, value) in annotations.sorted(by: { $0.key < $1.key }) { line("annotation", "\(name) = \(value)") }
        if let keyHint { line("key hint", keyHint) }
        certificate?.tell(line)
        for entry in tlogEntries {
            line("log index", "\(entry.logIndex) (\(entry.kind))")
            line("log id", entry.logId)
            line("leaf hash", entry.leafHash)
            line("logged", entry.integratedAt?.formatted(.iso8601))
            line("checkpoint", entry.checkpointOrigin.map { "\($0), \(entry.treeSize ?? 0) entries" })
        }
        for stamp in timestamps {
            line("timestamp", "\(stamp.time.formatted(.iso8601)), policy \(stamp.policy), serial \(stamp.serialNumber)")
            line("", stamp.authority)
        }
    }
}

extension CertificateDescription {
    fileprivate func tell(_ line: (String, String?) -> Void) {
        for name in names { line("name", "\(name.value) (\(name.kind))") }
        line("OIDC issuer", oidcIssuer)
        line("subject", subject)
        line("certified by", issuer)
        line("valid", "\(notBefore.formatted(.iso8601)) to \(notAfter.formatted(.iso8601)): when it was used, not now")
        line("key", "\(keyAlgorithm), certified with \(signatureAlgorithm)")
        line("serial", serialNumber)
        line("SHA-256", fingerprint)
        for one in extensions {
            let value = one.value ?? "UNREADABLE, \(one.problem ?? "")"
            line("extension", one.name.map { "\($0) (\(one.oid)): \(value)" } ?? "\(one.oid): \(value)")
        }
    }
}
