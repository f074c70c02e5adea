import ArgumentParser
import Countersign
import OCI

struct TreeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree",
        abstract: "Show what hangs on an artifact in its registry: signatures, attestations, SBOMs, children.",
        discussion: """
            Referrers by the kind of what they hold, the older tags .sig, .att and .sbom with their layers, the images of an index.
            Where signatures are kept in another repository (--signature-repository, or as --config says) that one is shown, too.
            Nothing is verified. Exit status 3 if the registry could not be asked: a tree never leaves out what it could not see.
            """)

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOption
    @OptionGroup var time: TimeoutOption
    @Flag(help: "Also what hangs on the children of an index.") var recursive = false
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    func run() async throws {
        let parsed = try Reference(argument: reference)
        let tree = try await registry.with(parsed, place) { client, place in
            let deep = recursive
            return try await time.limit {
                try await ReferenceTree.read(parsed, from: client, signatures: place, deep: deep)
            }
        }
        switch output.output {
        case .json: try Console.json(tree)
        case .text: for line in tree.lines { print(line) }
        }
    }
}
