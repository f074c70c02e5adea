import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

/// Hand-made signatures that cosign 3.1.1 was asked about (by key, without a log), made again and judged by us: alike, but
/// for the list in docs/verification.md. What a registry has to do with (tags, media types of layers) is not in here.
@Suite struct AcceptanceMatrixTests {
    let key: PrivateKey
    let verifier: Verifier
    static let hex = "a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9"

    init() throws {
        key = try PrivateKey.generate(.ecdsaP256)
        verifier = Verifier(root: try Fixture.root())
    }

    private static func statement(
        type: String = "https://in-toto.io/Statement/v1",
        subjects: String = #"[{"digest":{"sha256":"\#(hex)"},"annotations":{}}]"#,
        predicateType: String = "https://sigstore.dev/cosign/sign/v1", predicate: String? = "{}"
    ) -> String {
        #"{"_type":"\#(type)","subject":\#(subjects),"predicateType":"\#(predicateType)""#
            + (predicate.map { #","predicate":\#($0)"# } ?? "") + "}"
    }

    private func envelope(
        _ payload: String, type: String = Statement.payloadType, signedType: String? = nil, keyid: String? = nil,
        overPayload: Bool = false, raw: Bool = false
    ) throws -> String {
        let bytes = Array(payload.utf8)
        let signed =
            overPayload ? bytes : Envelope.preAuthenticationEncoding(type: signedType ?? type, payload: bytes)
        var signature = try key.sign(signed)
        if raw { signature = try ECDSASignature.raw(fromDER: signature, .ecdsaP256) }
        let hint = keyid.map { #","keyid":"\#($0)""# } ?? ""
        return #"{"payload":"\#(Base64.encode(bytes))","payloadType":"\#(type)","#
            + #""signatures":[{"sig":"\#(Base64.encode(signature))"\#(hint)}]}"#
    }

    private func bundle(
        _ envelope: String, mediaType: String = UnverifiedBundle.mediaType,
        material: String = #"{"publicKey":{"hint":"x"}}"#, extra: String = ""
    ) -> String {
        #"{"mediaType":"\#(mediaType)","verificationMaterial":\#(material),"dsseEnvelope":\#(envelope)\#(extra)}"#
    }

    /// Case, what cosign said, the bundle.
    private func bundles() throws -> [(name: String, accepted: Bool, json: String)] {
        let plain = try envelope(Self.statement())
        func statement(_ text: String) throws -> String { bundle(try envelope(text)) }
        let subject = #"{"digest":{"sha256":"\#(Self.hex)"}}"#
        let zeros = String(repeating: "0", count: 64)
        let other = #"{"digest":{"sha256":"\#(zeros)"}}"#
        return [
            ("exactly like cosign", true, bundle(plain)),
            ("statement without subject.annotations", true, try statement(Self.statement(subjects: "[\(subject)]"))),
            (
                "subject with name", true,
                try statement(Self.statement(subjects: #"[{"name":"x","digest":{"sha256":"\#(Self.hex)"}}]"#))
            ),
            ("Statement/v0.1", true, try statement(Self.statement(type: "https://in-toto.io/Statement/v0.1"))),
            ("unknown _type", true, try statement(Self.statement(type: "https://example.com/Statement/v9"))),
            ("no predicate", true, try statement(Self.statement(predicate: nil))),
            ("predicate null", true, try statement(Self.statement(predicate: "null"))),
            ("predicate with content", true, try statement(Self.statement(predicate: #"{"a":1}"#))),
            (
                "other predicateType in statement and annotation", true,
                try statement(Self.statement(predicateType: "https://example.com/x"))
            ),
            (
                "attestation only, plain verify", true,
                try statement(Self.statement(predicateType: "https://spdx.dev/Document"))
            ),
            ("two subjects, second matches", true, try statement(Self.statement(subjects: "[\(other),\(subject)]"))),
            ("subject digest wrong", false, try statement(Self.statement(subjects: "[\(other)]"))),
            (
                "subject digest with sha256: prefix", false,
                try statement(Self.statement(subjects: #"[{"digest":{"sha256":"sha256:\#(Self.hex)"}}]"#))
            ),
            (
                "extra sha512 digest in subject", true,
                try statement(
                    Self.statement(subjects: #"[{"digest":{"sha256":"\#(Self.hex)","sha512":"\#(zeros)\#(zeros)"}}]"#))
            ),
            ("payloadType application/json", false, bundle(try envelope(Self.statement(), type: "application/json"))),
            ("PAE over wrong type", false, bundle(try envelope(Self.statement(), signedType: "application/json"))),
            ("signature over payload, not PAE", false, bundle(try envelope(Self.statement(), overPayload: true))),
            ("signature raw r||s", true, bundle(try envelope(Self.statement(), raw: true))),
            ("keyid empty string", true, bundle(try envelope(Self.statement(), keyid: ""))),
            ("keyid set", false, bundle(try envelope(Self.statement(), keyid: "k"))),
            (
                "bundle v0.2 mediaType", false,
                bundle(plain, mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.2")
            ),
            (
                "bundle mediaType 0.3 old spelling", true,
                bundle(plain, mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.3")
            ),
            ("no publicKey hint", true, bundle(plain, material: #"{"publicKey":{}}"#)),
            ("empty verificationMaterial", false, bundle(plain, material: "{}")),
            ("unknown field in bundle", false, bundle(plain, extra: #","more":1"#)),
            ("tlogEntries: []", true, bundle(plain, material: #"{"publicKey":{"hint":"x"},"tlogEntries":[]}"#)),
            (
                "snake_case bundle", true,
                bundle(plain).replacing("mediaType", with: "media_type")
                    .replacing("verificationMaterial", with: "verification_material")
                    .replacing("dsseEnvelope", with: "dsse_envelope").replacing("publicKey", with: "public_key")
                    .replacing("payloadType", with: "payload_type")
            ),
        ]
    }

    @Test func `bundles are judged as cosign judged them, but for the list`() throws {
        let page = try VerificationPage().rows(under: "Where we judge otherwise than cosign")
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        for (name, accepted, json) in try bundles() {
            let differs = page.contains { $0[0] == name }
            let verdict = Result {
                try verifier.verify(
                    UnverifiedBundle(json: Array(json.utf8)), artifact: ArtifactDigest("sha256:" + Self.hex),
                    by: .publicKey(key.publicKey), expecting: Statement.cosignSignPredicateType, demanding: demands)
            }
            #expect(((try? verdict.get()) != nil) == (accepted != differs), "\(name): \(verdict)")
        }
    }

    @Test func `older signatures are judged as cosign judged them`() throws {
        func payload(
            type: String = SimpleSigningPayload.cosignType, digest: String = "sha256:" + Self.hex,
            reference: String = "h/r",
            optional: String = #","optional":null"#
        ) -> String {
            #"{"critical":{"identity":{"docker-reference":"\#(reference)"},"image":{"docker-manifest-digest":"#
                + #""\#(digest)"},"type":"\#(type)"}\#(optional)}"#
        }
        let cases: [(name: String, accepted: Bool, payload: String)] = [
            ("like cosign", true, payload()), ("optional {}", true, payload(optional: #","optional":{}"#)),
            ("optional missing", true, payload(optional: "")),
            ("docker-reference other name", true, payload(reference: "other/name")),
            ("docker-reference with tag", true, payload(reference: "h/r:tag")),
            ("docker-reference empty", true, payload(reference: "")),
            ("type = https://sigstore.dev/cosign/sign/v1", true, payload(type: Statement.cosignSignPredicateType)),
            ("type = atomic container signature", true, payload(type: "atomic container signature")),
            ("digest wrong", false, payload(digest: "sha256:" + String(repeating: "0", count: 64))),
            ("another type", false, payload(type: "something else")),
        ]
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        for (name, accepted, text) in cases {
            let bytes = Array(text.utf8)
            let legacy = LegacySignature(
                .payload(bytes, signature: try key.sign(bytes)), certificate: nil, entry: nil, timestamp: nil)
            let verdict = Result {
                try verifier.verify(
                    legacy, image: ArtifactDigest("sha256:" + Self.hex), by: .publicKey(key.publicKey),
                    expecting: Statement.cosignSignPredicateType, demanding: demands)
            }
            #expect(((try? verdict.get()) != nil) == accepted, "\(name): \(verdict)")
        }
    }

    @Test func `an older signature of ours does not travel to another repository`() throws {
        let document = SimpleSigningPayload.approval(
            of: try ArtifactDigest("sha256:" + Self.hex), in: "reg.example/a", rule: "default")
        let legacy = LegacySignature(
            .payload(document.encoded(), signature: try key.sign(document.encoded())), certificate: nil, entry: nil,
            timestamp: nil)
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        func judge(_ repository: String) throws -> VerifiedSignature {
            try verifier.verify(
                legacy, image: ArtifactDigest("sha256:" + Self.hex), by: .publicKey(key.publicKey),
                repositories: [repository], demanding: demands)
        }
        #expect(try judge("reg.example/a").annotations[Statement.ruleAnnotation] == "default")
        #expect(throws: VerificationError.self) { try judge("reg.example/b") }
    }
}
