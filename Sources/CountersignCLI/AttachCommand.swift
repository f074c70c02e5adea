import ArgumentParser
import Countersign
import OCI
import Sigstore

struct AttachCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Put an unsigned document beside an artifact, for readers that know nothing else.",
        subcommands: [AttachSBOMCommand.self])
}

struct AttachSBOMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sbom",
        abstract: "Attach an SBOM as `cosign attach sbom` does. Nobody signs it: prefer `countersign attest`.",
        discussion: """
            Goes straight to the registry, with the credentials of --docker-config. Under the older tag it takes the place of the
            SBOM that was there. The document is attached as it is; of one that is not what --type says a warning tells.
            """)

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case legacy
        case oci11 = "oci-1-1"
    }

    @OptionGroup var registry: RegistryOptions
    @OptionGroup var output: OutputOption
    @Option(help: "The document.") var sbom: String
    @Option(help: "spdx (the default), cyclonedx or syft.", transform: { try known($0) }) var type = UnsignedSBOM.Format
        .spdx
    @Option(help: "json, xml or text. Default: told by the document's first byte.", transform: { try known($0) })
    var inputFormat: UnsignedSBOM.Encoding?
    @Option(help: "legacy: under the tag sha256-<hex>.sbom; oci-1-1: as a referrer.") var registryReferrersMode = Mode
        .legacy
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String

    private struct Answer: Encodable {
        let subject: String
        let manifest: String
        let tag: String?
        let mediaType: String
        let document: String
        let isSigned: Bool
    }

    func run() async throws {
        let parsed = try Reference(argument: reference)
        let document = try unsigned()
        let answer = try await registry.with(parsed) { client in
            let subject = try await client.subject(of: parsed).descriptor
            let name = parsed.repository.name
            let manifest: Digest
            var tag: String?
            switch registryReferrersMode {
            case .legacy:
                manifest = try await client.attach(document, underTagOf: subject.digest, in: name)
                tag = try SignatureTag.sbom(for: subject.digest)
            case .oci11: manifest = try await client.attach(document, to: subject, in: name)
            }
            return Answer(
                subject: "\(parsed.repository)@\(subject.digest)", manifest: "\(parsed.repository)@\(manifest)",
                tag: tag.map { "\(parsed.repository):\($0)" }, mediaType: document.layer.mediaType,
                document: "\(document.layer.digest)", isSigned: false)
        }
        if let doubt = doubt(document) { Console.error("warning: \(doubt)") }
        Console.error(
            "warning: nothing is signed: whoever may push can replace it. `countersign attest` makes an attestation.")
        switch output.output {
        case .json: try Console.json(answer)
        case .text:
            print("attached   \(answer.tag ?? answer.manifest)")
            print("  to       \(answer.subject)")
            print("  type     \(answer.mediaType)")
            print("  document \(answer.document)")
        }
    }

    private func unsigned() throws -> UnsignedSBOM {
        let bytes = try NamedFile(path: sbom).contents(atMost: DocumentFormat.maxBytes)
        guard !bytes.isEmpty else {
            throw CommandFailure(code: "file.empty", observed: "\(sbom) is empty", status: 2)
        }
        do {
            return try UnsignedSBOM(bytes, type, inputFormat ?? Self.encoding(of: bytes))
        } catch {
            throw CommandFailure(
                code: error.code, observed: "\(error)",
                fix: "SPDX: json, xml or text; CycloneDX: json or xml; Syft: json", status: 2)
        }
    }

    /// Why the document is not what it is called; nil if it is, or nobody here can tell.
    private func doubt(_ sbom: UnsignedSBOM) -> String? {
        let format: DocumentFormat? =
            switch sbom.layer.mediaType {
            case "text/spdx+json": .spdxJSON
            case "text/spdx": .spdxTagValue
            case "application/vnd.cyclonedx+json": .cycloneDX
            default: nil
            }
        do {
            _ = try format?.check(sbom.document)
            return nil
        } catch {
            let place = error.place.isEmpty ? "" : "\(error.place): "
            return "it is called \(type.rawValue) (--type), and is not \(error.format): \(place)\(error.observed)"
        }
    }

    private static func encoding(of bytes: [UInt8]) -> UnsignedSBOM.Encoding {
        switch bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) {
        case UInt8(ascii: "{"): .json
        case UInt8(ascii: "<"): .xml
        default: .text
        }
    }

    private static func known<Choice: RawRepresentable<String> & CaseIterable>(_ text: String) throws -> Choice {
        guard let choice = Choice(rawValue: text) else {
            throw ValidationError(
                "\(text) is none of: " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }
}
