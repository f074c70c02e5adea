#if DEBUG || FUZZING
    @testable import OCI
    @testable import Sigstore
    import StrictJSON

    extension FuzzTarget {
        /// cosign's older signatures: the document that is signed, the layer that carries it, the manifest that they share.
        static let legacy = [
            FuzzTarget(name: "simple-signing") { bytes in
                guard let payload = try? SimpleSigningPayload(json: bytes) else { return }
                promise(
                    (try? SimpleSigningPayload(json: payload.encoded())) == payload,
                    "a payload reads back as it was written")
            },
            // the first line is the layer as the manifest describes it, the rest is its blob
            FuzzTarget(name: "legacy-signature") { bytes in
                let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, let layer = try? JSONValue(parsing: Array(parts[0])),
                    let mediaType = layer["mediaType"]?.text
                else { return }
                var annotations: [String: String] = [:]
                if case .object(let object)? = layer["annotations"] {
                    for member in object.members { annotations[member.name] = member.value.text }
                }
                guard
                    let signature = try? LegacySignature(
                        layerMediaType: mediaType, payload: Array(parts[1]), annotations: annotations)
                else { return }
                // the annotations have a place for a chain only beside a certificate
                guard signature.certificate != nil || signature.chain.isEmpty else { return }
                let again = try? LegacySignature(
                    layerMediaType: signature.layerMediaType, payload: signature.layer,
                    annotations: signature.annotations)
                promise(again == signature, "a layer reads back as it was written")
                if let entry = signature.entry { _ = try? TlogBody(entry) }
            },
            FuzzTarget(name: "legacy-manifest") { bytes in
                func read(_ bytes: [UInt8]) -> LegacyManifest? {
                    try? LegacyManifest(bytes: bytes, served: nil, entityTag: nil, tag: "sha256-00.sig")
                }
                let ours = LegacyLayer(
                    mediaType: SimpleSigningPayload.layerMediaType, payload: [0x7B, 0x7D], annotations: ["a": "b"])
                guard let manifest = read(bytes),
                    let (written, config, image) = try? manifest.adding(ours, config: nil)
                else { return }
                guard let again = read(written) else { return promise(false, "what we write can be read") }
                promise(again.layers == manifest.layers + [ours.descriptor], "our layer comes last, the others stay")
                promise(again.config == config && (image == nil || config.digest.matches(image ?? [])), "its config")
                if (try? again.adding(ours, config: image)) ?? nil != nil { promise(false, "a layer is added once") }
            },
        ]
    }
#endif
