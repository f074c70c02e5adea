import ArgumentParser
import Countersign
import OCI

struct TriangulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triangulate", abstract: "Say where an artifact's signatures, attestations and SBOM are kept.",
        discussion: """
            The older tag is where it would be, whether or not there is one; `countersign tree` shows what is there.
            Bundles are listed by the registry's referrers API or, without it, under the fallback tag. Where signatures are kept
            in another repository (--signature-repository, or as --config says) all of it is there.
            """)

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOption
    @Option(help: "signature, attestation or sbom.") var type = SignatureWhereabouts.Kind.signature
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    func run() async throws {
        let parsed = try Reference(argument: reference)
        let answer = try await registry.with(parsed, place) { client, place in
            try await SignatureWhereabouts.find(parsed, type, in: client, signatures: place)
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

extension SignatureWhereabouts.Kind: ExpressibleByArgument {}
