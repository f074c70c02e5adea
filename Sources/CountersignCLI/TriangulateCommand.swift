import ArgumentParser
import Countersign
import OCI

struct TriangulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triangulate", abstract: "Say where an artifact's signatures, attestations and SBOM are kept.",
        discussion: """
            The older tag is where it would be, whether or not there is one; `countersign tree` shows what is there.
            Bundles are listed by the registry's referrers API or, without it, under the fallback tag.
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable { case signature, attestation, sbom }

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var output: OutputOption
    @Option(help: "signature, attestation or sbom.") var type = Kind.signature
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    private struct Answer: Encodable {
        let reference: String
        let digest: String
        let tag: String
        let bundles: String
    }

    func run() async throws {
        let parsed = try Reference(argument: reference)
        let answer = try await registry.with(parsed) { client in
            let digest = try await client.subject(of: parsed).descriptor.digest
            let tag =
                switch type {
                case .signature: try SignatureTag.legacy(.signature, for: digest)
                case .attestation: try SignatureTag.legacy(.attestation, for: digest)
                case .sbom: try SignatureTag.sbom(for: digest)
                }
            let bundles =
                switch try await client.referrers(parsed.repository.name, of: digest) {
                case .api: "the registry's referrers API"
                case .fallback: "\(parsed.repository):\(SignatureTag.fallback(for: digest))"
                }
            return Answer(
                reference: "\(parsed)", digest: "\(digest)", tag: "\(parsed.repository):\(tag)", bundles: bundles)
        }
        switch output.output {
        case .json: try Console.json(answer)
        case .text:
            // the tag alone on the first line, as cosign prints it
            print(answer.tag)
            print("  digest   \(answer.digest)")
            print("  bundles  \(answer.bundles)")
        }
    }
}
