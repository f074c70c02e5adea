import FoundationEssentials
import OpenSSL
import StrictJSON
import Support

@testable import Sigstore

/// One scenario of the recordings: what lies beside an image or in a file, and the trusted root of the instance.
struct RecordedImage {
    let name: String
    let folder: String

    /// Every scenario, in order.
    static let all: [RecordedImage] = {
        guard let vectors = sharedMaterial("vectors"),
            let names = try? FileManager.default.contentsOfDirectory(atPath: vectors)
        else { return [] }
        return names.sorted().map { RecordedImage(name: $0, folder: "\(vectors)/\($0)") }
            .filter {
                var isFolder = false
                return FileManager.default.fileExists(atPath: $0.folder, isDirectory: &isFolder) && isFolder
            }
    }()

    static func named(_ name: String) -> RecordedImage? { all.first { $0.name == name } }

    private func has(_ file: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(file)") }

    /// The scenario's own, or a sibling's: all were recorded at one instance, and cosign was given this very root.
    func trustedRoot() throws -> TrustedRoot {
        let own = has("trust/trusted_root.json") ? folder : "\(folder)/../keyless-new-rekor2-tsa"
        return try TrustedRoot(json: Fixture.file("\(own)/trust/trusted_root.json"))
    }

    /// The trusted root's bytes, where the scenario has one of its own.
    func ownTrustedRoot() throws -> [UInt8]? {
        has("trust/trusted_root.json") ? try Fixture.file("\(folder)/trust/trusted_root.json") : nil
    }

    /// The key that the scenario signed with, if it was no certificate.
    func key() throws -> PublicKey? {
        guard has("trust") else { return nil }
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/trust")
        guard let file = files.sorted().first(where: { $0.hasPrefix("cosign") && $0.hasSuffix(".pub") }) else {
            return nil
        }
        return try PublicKey(pem: String(decoding: Fixture.file("\(folder)/trust/\(file)"), as: UTF8.self))
    }

    /// One signature as the registry or a file kept it, and the artifact that it is about.
    struct Found {
        enum Form {
            case bundle([UInt8])
            case legacy(mediaType: String, payload: [UInt8], annotations: [String: String])
        }
        let form: Form
        let image: String
        let tag: String
    }

    /// Every bundle and every layer of a `.sig` or `.att` manifest, and the bundles in files.
    func signatures() throws -> [Found] {
        try inFiles() + (has("oci") ? inRegistry() : [])
    }

    /// Bundles of the blob beside them, or of the image that the scenarios without one signed.
    private func inFiles() throws -> [Found] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        let artifact =
            has("blob.txt")
            ? "sha256:" + Hex.encode(Hash.sha256(try Fixture.file("\(folder)/blob.txt"))) : Fixture.digest
        return try names.filter { $0.hasSuffix(".sigstore.json") }.map {
            Found(form: .bundle(try Fixture.file("\(folder)/\($0)")), image: artifact, tag: $0)
        }
    }

    private func inRegistry() throws -> [Found] {
        let files = FileManager.default
        var found: [Found] = []
        for layout in try files.contentsOfDirectory(atPath: folder + "/oci").sorted() {
            let blobs = "\(folder)/oci/\(layout)/blobs/sha256"
            let manifests = "\(folder)/oci/\(layout)/manifests"
            for file in try files.contentsOfDirectory(atPath: manifests).sorted() {
                let document = try JSONValue(parsing: Fixture.file("\(manifests)/\(file)"))
                guard let manifest = document["manifest"], case .array(let layers)? = manifest["layers"] else {
                    continue
                }
                for layer in layers {
                    guard let mediaType = layer["mediaType"]?.text, let digest = layer["digest"]?.text else { continue }
                    let blob = { try Fixture.file("\(blobs)/\(digest.dropFirst(7))") }
                    if mediaType == UnverifiedBundle.mediaType {
                        guard let subject = manifest["subject"]?["digest"]?.text else { continue }
                        found.append(Found(form: .bundle(try blob()), image: subject, tag: file))
                    } else if [SimpleSigningPayload.layerMediaType, LegacySignature.envelopeLayerMediaType]
                        .contains(mediaType)
                    {
                        // the tag is the image's digest; the referrers form has it as its subject
                        let image = manifest["subject"]?["digest"]?.text ?? "sha256:" + file.dropFirst(7).prefix(64)
                        found.append(
                            Found(
                                form: .legacy(
                                    mediaType: mediaType, payload: try blob(),
                                    annotations: Self.texts(layer["annotations"])),
                                image: image, tag: file))
                    }
                }
            }
        }
        return found
    }

    private static func texts(_ value: JSONValue?) -> [String: String] {
        guard case .object(let object)? = value else { return [:] }
        return Dictionary(
            uniqueKeysWithValues: object.members.compactMap { member in
                member.value.text.map { (member.name, $0) }
            })
    }

    /// Judges one signature as this scenario's root and key say.
    func verify(
        _ found: Found, by signer: Verifier.ExpectedSigner, with verifier: Verifier,
        demanding demands: Verifier.Demands = .standard, expecting predicateType: String? = nil
    ) throws -> VerifiedSignature {
        let image = try ArtifactDigest(found.image)
        switch found.form {
        case .bundle(let json):
            return try verifier.verify(
                UnverifiedBundle(json: json), artifact: image, by: signer, expecting: predicateType,
                demanding: demands)
        case .legacy(let mediaType, let payload, let annotations):
            return try verifier.verify(
                LegacySignature(layerMediaType: mediaType, payload: payload, annotations: annotations), image: image,
                by: signer, expecting: predicateType, demanding: demands)
        }
    }
}
