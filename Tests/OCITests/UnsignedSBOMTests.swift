import StrictJSON
import Testing

@testable import OCI

/// Against what `cosign attach sbom` (3.1.1) left in a registry.
@Suite struct UnsignedSBOMTests {
    private static let document = Array(
        (#"{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app","#
            + #""documentNamespace":"https://example.com/spdx/app-1","creationInfo":{"created":"2026-11-01T00:00:00Z","#
            + #""creators":["Tool: realstack"]},"packages":[{"name":"app","SPDXID":"SPDXRef-Package-app","#
            + #""downloadLocation":"NOASSERTION","versionInfo":"1.0"}]}"# + "\n").utf8)

    @Test func `the document, its image and its tag are cosign's`() throws {
        let sbom = try UnsignedSBOM(Self.document, .spdx, .json)
        #expect(
            sbom.layer.digest.description == "sha256:d0a82ef85ebb9517ef30cb8a14ac56085f32b6220f16bcc3371f4d0ec0fc47e2")
        #expect(sbom.layer.mediaType == "text/spdx+json" && sbom.layer.size == 338)
        #expect(
            Digest.sha256(of: sbom.config).description
                == "sha256:e32cd1f3425ed05de6a6b56b5002c28b5a47960cae778984a0f0c6669951c9af")
        let subject = try Digest("sha256:36a01e0d580cb8b1c312ed9669c33c832d474369ea5f3c554fc31f650660c7f5")
        #expect(try SignatureTag.sbom(for: subject) == "sha256-\(subject.hex).sbom")
        #expect(SignatureTag.matches(try SignatureTag.sbom(for: subject)))
    }

    @Test func `its manifests say what cosign's say`() throws {
        let sbom = try UnsignedSBOM(Self.document, .spdx, .json)
        let subject = Descriptor(
            mediaType: MediaType.ociManifest,
            digest: try Digest("sha256:36a01e0d580cb8b1c312ed9669c33c832d474369ea5f3c554fc31f650660c7f5"), size: 401)
        let tagged = try Manifest(bytes: sbom.manifest(of: nil), mediaType: MediaType.ociManifest)
        let referrer = try Manifest(bytes: sbom.manifest(of: subject), mediaType: MediaType.ociManifest)
        guard case .image(let plain) = tagged.content, case .image(let image) = referrer.content else {
            Issue.record("not images")
            return
        }
        #expect(plain.config.mediaType == MediaType.imageConfig && plain.config.size == 233 && plain.subject == nil)
        #expect(image.config.mediaType == "application/vnd.dev.cosign.artifact.sbom.v1+json")
        #expect(image.config.digest == plain.config.digest && image.layers == plain.layers)
        #expect(image.subject == subject)
        // a daemon that signs on push leaves both alone
        #expect(tagged.isSignatureMaterial && referrer.isSignatureMaterial)
    }

    @Test(arguments: [
        (UnsignedSBOM.Format.spdx, UnsignedSBOM.Encoding.text, "text/spdx"), (.spdx, .xml, "text/spdx+xml"),
        (.cyclonedx, .json, "application/vnd.cyclonedx+json"), (.cyclonedx, .xml, "application/vnd.cyclonedx+xml"),
        (.syft, .json, "application/vnd.syft+json"),
    ])
    func `each kind has cosign's media type`(
        _ format: UnsignedSBOM.Format, _ encoding: UnsignedSBOM.Encoding, _ mediaType: String
    ) throws {
        #expect(try UnsignedSBOM.mediaType(format, encoding) == mediaType)
    }

    @Test func `what cosign has no media type for is refused by name`() {
        #expect(throws: OCIError.self) { try UnsignedSBOM([0x7B], .cyclonedx, .text) }
        #expect(throws: OCIError.self) { try UnsignedSBOM([0x7B], .syft, .xml) }
    }
}
