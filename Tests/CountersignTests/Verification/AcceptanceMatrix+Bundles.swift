import OCI
import OpenSSL
import Sigstore

extension AcceptanceMatrix {
    /// `new: `, in the order of the matrix.
    func bundleCases() throws -> [Case] {
        try shapedStatements() + shapedManifests() + shapedBundles() + attestations()
    }

    /// What the statement says.
    private func shapedStatements() throws -> [Case] {
        let named = #"{"digest":{"sha256":"\#(digest.hex)"}}"#
        let other = #"{"digest":{"sha256":"\#(Self.zeros)"}}"#
        func of(_ name: String, isAccepted: Bool = true, _ statement: String) throws -> Case {
            referrer(name, isAccepted: isAccepted, bundle(try envelope(statement)))
        }
        return [
            try of("exactly like cosign (no config.artifactType)", statement()),
            referrer("with config.artifactType like cosign", bundle(try envelope(statement()))) {
                $0.configArtifactType = MediaType.sigstoreBundle
            },
            try of("statement without subject.annotations", statement(subjects: "[\(named)]")),
            try of(
                "subject with name", statement(subjects: #"[{"name":"x","digest":{"sha256":"\#(digest.hex)"}}]"#)),
            try of("Statement/v0.1", statement(type: "https://in-toto.io/Statement/v0.1")),
            try of("unknown _type", statement(type: "https://example.com/Statement/v9")),
            try of("no predicate", statement(predicate: nil)),
            try of("predicate null", statement(predicate: "null")),
            try of("predicate with content", statement(predicate: #"{"a":1}"#)),
            referrer(
                "other predicateType in statement and annotation",
                bundle(try envelope(statement(predicateType: "https://example.com/x")))
            ) { $0.annotations["dev.sigstore.bundle.predicateType"] = "https://example.com/x" },
            try of("two subjects, second matches", statement(subjects: "[\(other),\(named)]")),
            try of("subject digest wrong", isAccepted: false, statement(subjects: "[\(other)]")),
            try of(
                "subject digest with sha256: prefix", isAccepted: false,
                statement(subjects: #"[{"digest":{"sha256":"\#(digest)"}}]"#)),
            try of(
                "extra sha512 digest in subject",
                statement(
                    subjects: #"[{"digest":{"sha256":"\#(digest.hex)","sha512":"\#(Self.zeros)\#(Self.zeros)"}}]"#)),
        ]
    }

    /// What stands around the bundle.
    private func shapedManifests() throws -> [Case] {
        let plain = bundle(try envelope(statement()))
        let type = "dev.sigstore.bundle.predicateType"
        return [
            referrer("no manifest annotations", plain) { $0.annotations = [:] },
            referrer("wrong predicateType annotation", plain) { $0.annotations[type] = "https://example.com/x" },
            referrer("only content annotation", plain) { $0.annotations[type] = nil },
            referrer("no manifest artifactType", plain) { $0.artifactType = nil },
            referrer("other manifest artifactType", plain) { $0.artifactType = "application/vnd.example" },
            referrer("layer mediaType application/json", isAccepted: false, plain) {
                $0.layerType = "application/json"
            },
            referrer("config mediaType = bundle type, no artifactType", plain) {
                ($0.configType, $0.artifactType) = (MediaType.sigstoreBundle, nil)
            },
            referrer("no subject in manifest (index only)", plain) { $0.hasSubject = false },
            referrer("no fallback tag", isAccepted: false, plain) { $0.isListed = false },
            referrer("fallback descriptor artifactType = bundle type", plain) {
                $0.listedArtifactType = MediaType.sigstoreBundle
            },
            referrer("fallback descriptor without artifactType", plain) { $0.listedArtifactType = nil },
            referrer("fallback descriptor with annotations", plain) { $0.listedAnnotations = $0.annotations },
        ]
    }

    /// Envelope, signature and bundle.
    private func shapedBundles() throws -> [Case] {
        let plain = try envelope(statement())
        let old = UnverifiedBundle.mediaType.replacing(".v0.3+json", with: "+json")
        let message = #"{"messageDigest":{"algorithm":"SHA2_256","digest":"\#(Base64.encode(Hash.sha256(image)))"},"#
        return [
            referrer(
                "payloadType application/json", isAccepted: false,
                bundle(try envelope(statement(), type: "application/json"))),
            referrer(
                "PAE over wrong type", isAccepted: false,
                bundle(try envelope(statement(), signedType: "application/json"))),
            referrer(
                "signature over payload, not PAE", isAccepted: false,
                bundle(try envelope(statement(), overPayload: true))),
            referrer("signature raw r||s", bundle(try envelope(statement(), isRaw: true))),
            referrer("keyid empty string", bundle(try envelope(statement(), keyID: ""))),
            referrer("keyid set", isAccepted: false, bundle(try envelope(statement(), keyID: "k"))),
            referrer("bundle v0.2 mediaType", isAccepted: false, bundle(plain, mediaType: old + ";version=0.2")),
            referrer("bundle mediaType 0.3 old spelling", bundle(plain, mediaType: old + ";version=0.3")),
            referrer("no publicKey hint", bundle(plain, material: #"{"publicKey":{}}"#)),
            referrer("wrong hint", bundle(plain, material: #"{"publicKey":{"hint":"another"}}"#)),
            referrer("empty verificationMaterial", isAccepted: false, bundle(plain, material: "{}")),
            referrer("unknown field in bundle", isAccepted: false, bundle(plain, extra: #","more":1"#)),
            referrer("tlogEntries: []", bundle(plain, material: #"{"publicKey":{"hint":"x"},"tlogEntries":[]}"#)),
            referrer(
                "snake_case bundle",
                bundle(plain).replacing("mediaType", with: "media_type")
                    .replacing("verificationMaterial", with: "verification_material")
                    .replacing("dsseEnvelope", with: "dsse_envelope").replacing("publicKey", with: "public_key")
                    .replacing("payloadType", with: "payload_type")),
            referrer(
                "messageSignature over the image manifest bytes", isAccepted: false,
                bundle(
                    message + #""signature":"\#(Base64.encode(try key.sign(image)))"}"#, content: "messageSignature")),
        ]
    }

    private func attestations() throws -> [Case] {
        let type = "https://spdx.dev/Document"
        let spdx = bundle(try envelope(statement(predicateType: type)))
        let annotation = "dev.sigstore.bundle.predicateType"
        return [
            referrer("attestation spdx via verify-attestation", expecting: type, spdx) {
                $0.annotations[annotation] = type
            },
            referrer("attestation spdx, predicateType annotation missing", expecting: type, spdx) {
                $0.annotations[annotation] = nil
            },
            referrer("attestation only, plain verify", spdx) { $0.annotations[annotation] = type },
        ]
    }

    // MARK: Making one

    private func referrer(
        _ name: String, isAccepted: Bool = true, expecting type: String = Statement.cosignSignPredicateType,
        _ bundle: String, _ change: (inout ReferrerShape) -> Void = { _ in }
    ) -> Case {
        var shape = ReferrerShape()
        change(&shape)
        var served = unsigned
        shape.add(Array(bundle.utf8), to: image, in: &served)
        return Case(name: "new: " + name, isAccepted: isAccepted, predicateType: type, served: served)
    }

    private func statement(
        type: String = "https://in-toto.io/Statement/v1", subjects: String? = nil,
        predicateType: String = Statement.cosignSignPredicateType, predicate: String? = "{}"
    ) -> String {
        let subjects = subjects ?? #"[{"digest":{"sha256":"\#(digest.hex)"},"annotations":{}}]"#
        return #"{"_type":"\#(type)","subject":\#(subjects),"predicateType":"\#(predicateType)""#
            + (predicate.map { #","predicate":\#($0)"# } ?? "") + "}"
    }

    private func envelope(
        _ payload: String, type: String = Statement.payloadType, signedType: String? = nil, keyID: String? = nil,
        overPayload: Bool = false, isRaw: Bool = false
    ) throws -> String {
        let bytes = Array(payload.utf8)
        var signature = try key.sign(
            overPayload ? bytes : Envelope.preAuthenticationEncoding(type: signedType ?? type, payload: bytes))
        if isRaw { signature = try ECDSASignature.raw(fromDER: signature, .ecdsaP256) }
        let hint = keyID.map { #","keyid":"\#($0)""# } ?? ""
        return #"{"payload":"\#(Base64.encode(bytes))","payloadType":"\#(type)","#
            + #""signatures":[{"sig":"\#(Base64.encode(signature))"\#(hint)}]}"#
    }

    private func bundle(
        _ signed: String, content: String = "dsseEnvelope", mediaType: String = UnverifiedBundle.mediaType,
        material: String = #"{"publicKey":{"hint":"x"}}"#, extra: String = ""
    ) -> String {
        #"{"mediaType":"\#(mediaType)","verificationMaterial":\#(material),"\#(content)":\#(signed)\#(extra)}"#
    }
}
