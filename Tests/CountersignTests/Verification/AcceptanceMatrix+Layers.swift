import OCI
import OpenSSL
import Sigstore

extension AcceptanceMatrix {
    /// `old: `, in the order of the matrix.
    func layerCases() throws -> [Case] {
        let signature = "dev.cosignproject.cosign/signature"
        return [
            try layer("like cosign", document()),
            try layer("optional {}", document(optional: #","optional":{}"#)),
            try layer("optional missing", document(optional: "")),
            try layer("docker-reference other name", document(reference: "other/name")),
            try layer("docker-reference with tag", document(reference: "h/r:tag")),
            try layer("docker-reference empty", document(reference: "")),
            try layer(
                "type = https://sigstore.dev/cosign/sign/v1", document(type: Statement.cosignSignPredicateType)),
            try layer("type = atomic container signature", document(type: "atomic container signature")),
            try layer("digest wrong", isAccepted: false, document(digest: "sha256:" + Self.zeros)),
            try layer("layer mediaType application/json", document()) { $0.type = "application/json" },
            try layer("empty {} config of empty type", document()) {
                ($0.configType, $0.config) = (MediaType.emptyConfig, "{}")
            },
            try layer("config {} as image config", document()) { $0.config = "{}" },
            try layer("chain and certificate empty strings", document()) {
                $0.annotations["dev.sigstore.cosign/certificate"] = ""
                $0.annotations["dev.sigstore.cosign/chain"] = ""
            },
            try layer("signature annotation missing", isAccepted: false, document()) { $0.annotations = [:] },
            try layer(
                "key sigstore annotation name dev.sigstore.cosign/signature", isAccepted: false, document()
            ) {
                $0.annotations = ["dev.sigstore.cosign/signature": $0.annotations[signature] ?? ""]
            },
            try layer("tag without .sig", isAccepted: false, document()) { $0.suffix = "" },
            try layer("tag .SIG", isAccepted: false, document()) { $0.suffix = ".SIG" },
        ]
    }

    /// What stands around a document: cosign's manifest and tag, but for what a case changes.
    private struct LayerShape {
        var type = MediaType.cosignSimpleSigning
        var annotations: [String: String]
        var configType = MediaType.imageConfig
        var config: String
        var suffix = ".sig"
    }

    private func layer(
        _ name: String, isAccepted: Bool = true, _ document: String, _ change: (inout LayerShape) -> Void = { _ in }
    ) throws -> Case {
        let payload = Array(document.utf8)
        var shape = LayerShape(
            annotations: ["dev.cosignproject.cosign/signature": Base64.encode(try key.sign(payload))],
            config: """
                {"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"",\
                "rootfs":{"type":"layers","diff_ids":["\(OCI.Digest.sha256(of: payload))"]},"config":{}}
                """)
        change(&shape)
        let config = ReferrerShape.descriptor(shape.configType, Array(shape.config.utf8))
        let layer = ReferrerShape.descriptor(shape.type, payload, annotations: shape.annotations)
        var served = unsigned
        served.blob(payload)
        served.blob(Array(shape.config.utf8))
        served.manifest(
            Array(
                #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":\#(config),"layers":[\#(layer)]}"#
                    .utf8), at: "sha256-\(digest.hex)\(shape.suffix)")
        return Case(name: "old: " + name, isAccepted: isAccepted, served: served)
    }

    private func document(
        type: String = SimpleSigningPayload.cosignType, digest: String? = nil, reference: String = "h/r",
        optional: String = #","optional":null"#
    ) -> String {
        let image = #"{"docker-manifest-digest":"\#(digest ?? "\(self.digest)")"}"#
        return #"{"critical":{"identity":{"docker-reference":"\#(reference)"},"image":\#(image),"type":"\#(type)"}"#
            + optional + "}"
    }
}
