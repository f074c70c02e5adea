import OCI
import OpenSSL
import Sigstore

/// The hand-made signatures about which cosign 3.1.1 was asked (by key, `--insecure-ignore-tlog`), made again by a key of ours,
/// with all that a registry without the referrers API serves of each.
struct AcceptanceMatrix {
    /// One signature, or what is left of one.
    struct Case: Sendable {
        /// As the matrix has it: a bundle among the referrers (`new: `), or a layer under a tag (`old: `).
        let name: String
        /// What cosign said.
        let isAccepted: Bool
        /// What was asked for.
        var predicateType = Statement.cosignSignPredicateType
        let served: ServedFiles
    }

    let key: PrivateKey
    /// The image that they are about.
    let image = Array(
        """
        {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","config":{"mediaType":"\(MediaType.imageConfig)","size":2,\
        "digest":"\(OCI.Digest.sha256(of: Array("{}".utf8)))"},"layers":[]}
        """.utf8)
    var digest: OCI.Digest { .sha256(of: image) }
    static let zeros = String(repeating: "0", count: 64)

    init() throws { key = try PrivateKey.generate(.ecdsaP256) }

    func cases() throws -> [Case] { try bundleCases() + layerCases() }

    /// The image alone, for what is attached to it.
    var unsigned: ServedFiles {
        var served = ServedFiles()
        served.manifest(image, at: "\(digest)")
        return served
    }
}

/// What a registry has of one repository, by the end of its path: `manifests/…`, `blobs/…`.
struct ServedFiles: Sendable {
    private(set) var files: [String: (type: String, bytes: [UInt8])] = [:]

    /// - Parameter reference: a tag, or the digest.
    mutating func manifest(_ bytes: [UInt8], as type: String = MediaType.ociManifest, at reference: String) {
        files["manifests/\(reference)"] = (type, bytes)
    }

    mutating func blob(_ bytes: [UInt8]) {
        files["blobs/\(OCI.Digest.sha256(of: bytes))"] = ("application/octet-stream", bytes)
    }
}

/// What stands around a bundle: cosign's referrer, listed under the fallback tag as cosign lists it, but for what a case changes.
struct ReferrerShape {
    var layerType = MediaType.sigstoreBundle
    var configType = MediaType.emptyConfig
    /// cosign's own oddity.
    var configArtifactType: String?
    var artifactType: String? = MediaType.sigstoreBundle
    var annotations: [String: String] = [
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": Statement.cosignSignPredicateType,
    ]
    var hasSubject = true
    var isListed = true
    /// go-containerregistry lists the config's type.
    var listedArtifactType: String? = MediaType.emptyConfig
    var listedAnnotations: [String: String] = [:]

    func add(_ bundle: [UInt8], to image: [UInt8], in served: inout ServedFiles) {
        let digest = OCI.Digest.sha256(of: image)
        let config = Self.descriptor(configType, Array("{}".utf8), artifactType: configArtifactType)
        let subject = hasSubject ? #","subject":\#(Self.descriptor(MediaType.ociManifest, image))"# : ""
        let type = artifactType.map { #","artifactType":"\#($0)""# } ?? ""
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","config":\(config),\
            "layers":[\(Self.descriptor(layerType, bundle))]\(subject)\(Self.member(annotations))\(type)}
            """.utf8)
        served.blob(bundle)
        served.manifest(manifest, at: "\(OCI.Digest.sha256(of: manifest))")
        guard isListed else { return }
        let entry = Self.descriptor(
            MediaType.ociManifest, manifest, artifactType: listedArtifactType, annotations: listedAnnotations)
        served.manifest(
            Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(entry)]}"#.utf8),
            as: MediaType.ociIndex, at: SignatureTag.fallback(for: digest))
    }

    static func descriptor(
        _ type: String, _ bytes: [UInt8], artifactType: String? = nil, annotations: [String: String] = [:]
    ) -> String {
        let artifactType = artifactType.map { #","artifactType":"\#($0)""# } ?? ""
        return #"{"mediaType":"\#(type)","size":\#(bytes.count),"digest":"\#(OCI.Digest.sha256(of: bytes))""#
            + artifactType + member(annotations) + "}"
    }

    private static func member(_ annotations: [String: String]) -> String {
        guard !annotations.isEmpty else { return "" }
        return #","annotations":{"#
            + annotations.sorted { $0.key < $1.key }.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
            + "}"
    }
}
