import ArgumentParser
import Countersign
import FoundationEssentials
import OCI
import Sigstore

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract:
            "Tell what the signatures and attestations of an artifact say: certificates, log entries, timestamps.",
        discussion: """
            Reads, and judges nothing, unless --trusted-root is given: then each is verified besides, whoever signed it.
            Whether the right one signed is for `countersign verify`.
            Exit status 0 if there is a signature, 1 if there is none (or one does not verify), 3 if the registry could not be asked.
            """)

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var output: OutputOption
    @Option(help: "trusted_root.json: verify each against it.") var trustedRoot: String?
    @Option(help: "Describe the bundle in this file instead.") var bundle: String?
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String?

    func validate() throws {
        guard (reference == nil) != (bundle == nil) else {
            throw ValidationError("Say what to describe: a reference, or --bundle FILE.")
        }
        guard bundle == nil || trustedRoot == nil else {
            throw ValidationError(
                "A bundle alone does not say which artifact it is of: `countersign bundle verify` does that.")
        }
    }

    func run() async throws {
        let report = try await report()
        switch output.output {
        case .json: try Console.json(report)
        case .text: report.tell()
        }
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
        let verifier = try trustedRoot.map { Verifier(root: try TrustedRoot(json: ConformanceFile.bytes($0))) }
        return try await registry.with(parsed) { client in
            try await DescribeReference(registry: client, verifier: verifier).describe(parsed)
        }
    }
}

extension DescribeReference.Report {
    fileprivate func tell() {
        print(reference)
        if let digest { print("  digest      \(digest)") }
        for signature in signatures { signature.tell() }
        for one in unreadable { print("\n\(one.location)\n  unreadable  \(one.observed) [\(one.code)]") }
        if signatures.isEmpty { print("  no signature and no attestation is attached to it") }
    }
}

extension SignatureDescription {
    fileprivate func tell() {
        func line(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            print("  \(name)\(String(repeating: " ", count: max(1, 12 - name.count)))\(value)")
        }
        print("\n\(location)")
        switch verified {
        case true?: line("verified", "against the trusted root, whoever signed it")
        case false?: line("VERIFIES NOT", refusal)
        case nil: line("unverified", "what follows is what it says of itself")
        }
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
        for one in extensions { line("extension", "\(one.name) (\(one.oid)): \(one.value)") }
    }
}
