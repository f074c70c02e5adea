import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

@Suite struct LegacySignatureTests {
    let verifier: Verifier
    static let attested = "sha256:36a01e0d580cb8b1c312ed9669c33c832d474369ea5f3c554fc31f650660c7f5"

    init() throws { verifier = Verifier(root: try Fixture.root()) }

    private struct Layer {
        var mediaType: String
        var payload: [UInt8]
        var annotations: [String: String]

        init(_ scenario: String) throws {
            let layer = try JSONValue(parsing: Fixture.bytes("\(scenario)/layer.json"))
            mediaType = layer["mediaType"]?.text ?? ""
            payload = try Fixture.bytes("\(scenario)/payload.json")
            guard case .object(let object)? = layer["annotations"] else { throw Fixture.Missing(path: "annotations") }
            annotations = [:]
            for member in object.members { annotations[member.name] = member.value.text }
        }

        func signature() throws -> LegacySignature {
            try LegacySignature(layerMediaType: mediaType, payload: payload, annotations: annotations)
        }
    }

    private func refusal(
        _ layer: Layer, image: String = Fixture.digest, expecting: String? = nil, repositories: [String]? = nil
    ) throws -> VerificationError.Check? {
        do {
            _ = try verifier.verify(
                layer.signature(), image: ArtifactDigest(image), by: .certificate(Fixture.identity()),
                expecting: expecting, repositories: repositories)
            return nil
        } catch let error as VerificationError {
            return error.check
        }
    }

    @Test func `an older image signature verifies, and the result says what was checked`() throws {
        let verified = try verifier.verify(
            Layer("legacy-sig").signature(), image: Fixture.artifact(), by: .certificate(Fixture.identity()),
            expecting: Statement.cosignSignPredicateType)
        #expect(verified.payload?.dockerReference == "127.0.0.1:47100/cap/old-rekor1-tsa")
        #expect(verified.times.map(\.isTimestamp) == [true, false])
        #expect(
            verified.steps.map(\.check) == [
                .signature, .subject, .predicateType, .repository, .timestamp, .signedEntryTimestamp, .chain,
                .certificateTimestamp, .identity, .issuer, .tlogBody, .inclusionProof,
            ])
        #expect(verified.warnings.isEmpty)
    }

    @Test func `an older attestation verifies`() throws {
        let verified = try verifier.verify(
            Layer("legacy-att").signature(), image: ArtifactDigest(Self.attested), by: .certificate(Fixture.identity()),
            expecting: "https://spdx.dev/Document")
        #expect(verified.statement?.predicateType == "https://spdx.dev/Document")
        #expect(try refusal(Layer("legacy-att")) == .subject)
        #expect(
            try refusal(Layer("legacy-att"), image: Self.attested, expecting: Statement.cosignSignPredicateType)
                == .predicateType)
    }

    @Test(arguments: ["\n", "\r\n"])
    func `a signature that was attached with its line ends verifies`(end: String) throws {
        var layer = try Layer("legacy-sig")
        let name = "dev.cosignproject.cosign/signature"
        let text = try #require(layer.annotations[name])
        layer.annotations[name] = "\(text.prefix(40))\(end)\(text.dropFirst(40))\(end)"
        #expect(try refusal(layer) == nil)
        layer.annotations[name] = "\(text.prefix(40)) \(text.dropFirst(40))"
        #expect(throws: SigstoreError.self) { try layer.signature() }
    }

    @Test(arguments: ["legacy-sig", "legacy-att"])
    func `what was read is written again as cosign wrote it`(scenario: String) throws {
        let layer = try Layer(scenario)
        #expect(try layer.signature().annotations == layer.annotations)
        #expect(try layer.signature().layerMediaType == layer.mediaType)
    }

    @Test func `the document is encoded to cosign's bytes`() throws {
        let bytes = try Fixture.bytes("legacy-sig/payload.json")
        #expect(try SimpleSigningPayload(json: bytes).encoded() == bytes)
        let approval = SimpleSigningPayload.approval(of: try Fixture.artifact(), in: "reg.example/a", rule: "r")
        #expect(
            String(decoding: approval.encoded(), as: UTF8.self).hasSuffix(
                #""optional":{"dev.countersign/repository":"reg.example/a","dev.countersign/rule":"r"}}"#))
        #expect(try SimpleSigningPayload(json: approval.encoded()) == approval)
    }

    @Test func `one thing changed at a time is refused by its own check`() throws {
        func changed(_ edit: (inout Layer) throws -> Void) throws -> VerificationError.Check? {
            var layer = try Layer("legacy-sig")
            try edit(&layer)
            return try refusal(layer)
        }
        #expect(try changed { _ in } == nil)
        #expect(try changed { $0.payload[40] ^= 1 } == .signature)
        #expect(try changed { $0.annotations["dev.sigstore.cosign/bundle"] = nil } == .tlogEntry)
        #expect(try changed { $0.annotations["dev.sigstore.cosign/certificate"] = "" } == .material)
        let other = try Layer("legacy-att")
        #expect(
            try changed {
                $0.annotations["dev.sigstore.cosign/bundle"] = other.annotations["dev.sigstore.cosign/bundle"]
            }
                == .tlogBody)
        let index = "\"logIndex\":3,"
        #expect(
            try changed {
                let bundle = $0.annotations["dev.sigstore.cosign/bundle"] ?? ""
                $0.annotations["dev.sigstore.cosign/bundle"] = bundle.replacing(index, with: "\"logIndex\":4,")
            } == .signedEntryTimestamp)
        #expect(try refusal(Layer("legacy-sig"), image: Self.attested) == .subject)
        #expect(try refusal(Layer("legacy-sig"), expecting: "https://spdx.dev/Document") == .predicateType)
    }

    @Test func `certificates sent along are never an anchor`() throws {
        let root = try JSONValue(parsing: Fixture.bytes("trusted_root.json"))
        guard case .object(let object) = root else { throw Fixture.Missing(path: "root") }
        let without = JSONObject(object.members.filter { $0.name != "certificateAuthorities" })
        let stranger = Verifier(root: try TrustedRoot(json: JSONValue.object(without).encoded()))
        let authority = try #require(try Fixture.root().certificateAuthorities.first)
        var layer = try Layer("legacy-sig")
        layer.annotations["dev.sigstore.cosign/chain"] =
            (authority.intermediates + [authority.root]).map(\.pem).joined()
        let refusal = #expect(throws: VerificationError.self) {
            try stranger.verify(
                layer.signature(), image: Fixture.artifact(), by: .certificate(Fixture.identity()))
        }
        #expect(refusal?.check == .chain)
    }

    @Test(arguments: [
        ("dev.cosignproject.cosign/signature", ""), ("dev.cosignproject.cosign/signature", "a"),
        ("dev.sigstore.cosign/certificate", "x"), ("dev.sigstore.cosign/chain", "-----BEGIN"),
        ("dev.sigstore.cosign/bundle", "{}"), ("dev.sigstore.cosign/bundle", "[]"),
        ("dev.sigstore.cosign/rfc3161timestamp", #"{"SignedRFC3161Timestamp":"?"}"#),
        ("dev.sigstore.cosign/rfc3161timestamp", #"{"Other":""}"#),
    ])
    func `a layer with an annotation that cannot be read is refused`(name: String, value: String) throws {
        var layer = try Layer("legacy-sig")
        layer.annotations[name] = value
        #expect(throws: SigstoreError.self) { try layer.signature() }
    }

    @Test(arguments: [
        "{}", "[]", #"{"critical":{}}"#,
        #"{"critical":{"image":{"docker-manifest-digest":"sha256:00"},"type":"cosign container image signature"}}"#,
        #"{"critical":{"image":{"docker-manifest-digest":1},"type":"x"}}"#,
    ])
    func `a document that names no manifest is refused`(json: String) {
        #expect(throws: SigstoreError.self) { try SimpleSigningPayload(json: Array(json.utf8)) }
    }

    /// Verified as a key's signature without a log.
    private func judge(_ document: [UInt8], in repositories: [String]? = nil) throws -> VerifiedSignature {
        let key = try PrivateKey.generate(.ecdsaP256)
        let legacy = LegacySignature(
            .payload(document, signature: try key.sign(document)), certificate: nil, entry: nil, timestamp: nil)
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        return try verifier.verify(
            legacy, image: Fixture.artifact(), by: .publicKey(key.publicKey), repositories: repositories,
            demanding: demands)
    }

    @Test func `an older signature of ours does not travel to another repository`() throws {
        let document = SimpleSigningPayload.approval(
            of: try Fixture.artifact(), in: "reg.example/a", rule: "default"
        ).encoded()
        #expect(try judge(document, in: ["reg.example/a"]).annotations[Statement.ruleAnnotation] == "default")
        #expect(throws: VerificationError.self) { try judge(document, in: ["reg.example/b"]) }
    }

    @Test func `a document of another type than the three is no signature`() throws {
        func document(_ type: String) -> [UInt8] {
            let image = #"{"docker-manifest-digest":"\#(Fixture.digest)"}"#
            return Array(
                #"{"critical":{"identity":{"docker-reference":"h/r"},"image":\#(image),"type":"\#(type)"}}"#.utf8)
        }
        #expect(try judge(document("atomic container signature")).payload != nil)
        #expect(throws: (any Error).self) { try judge(document("something else")) }
    }
}
