import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

/// The entry of an older attestation: it holds the digest of the envelope as it was sent, and the signer, not the signature.
@Suite struct IntotoEntryTests {
    private let key: PrivateKey
    private let envelope: Envelope

    init() throws {
        key = try PrivateKey.generate(.ecdsaP256)
        let statement = Statement(
            subjects: [.init(name: "app", digest: ["sha256": String(repeating: "1", count: 64)])])
        let unsigned = Envelope(payload: statement.encoded(), payloadType: Statement.payloadType, signatures: [])
        envelope = Envelope(
            payload: unsigned.payload, payloadType: unsigned.payloadType,
            signatures: [.init(sig: try key.sign(unsigned.preAuthenticationEncoding))])
    }

    private func body(hash: [UInt8], payload: [UInt8]? = nil, by signer: PublicKey) -> [UInt8] {
        func digest(_ bytes: [UInt8]) -> JSONValue {
            .object(["algorithm": .string("sha256"), "value": .string(Hex.encode(bytes))])
        }
        let content: JSONValue =
            payload.map { .object(["hash": digest(hash), "payloadHash": digest($0)]) }
            ?? .object(["hash": digest(hash)])
        return JSONValue.object([
            "apiVersion": .string("0.0.1"), "kind": .string("intoto"),
            "spec": .object(["content": content, "publicKey": .string(Base64.encode(Array(signer.pem.utf8)))]),
        ]).encoded()
    }

    private func entry(_ body: [UInt8]) -> TlogEntry {
        TlogEntry(
            logIndex: 1, logID: [1], kind: "intoto", version: "0.0.1", integratedTime: 1, inclusionPromise: [1],
            inclusionProof: nil, canonicalizedBody: body)
    }

    private func layer(_ bytes: [UInt8]) throws -> PresentedSignature {
        PresentedSignature(
            try LegacySignature(
                layerMediaType: LegacySignature.envelopeLayerMediaType, payload: bytes, annotations: [:]))
    }

    private func check(_ body: [UInt8], _ presented: PresentedSignature) throws {
        try TlogBody(entry(body)).check(against: presented, .publicKey(key.publicKey))
    }

    @Test func `it is of the layer whose bytes have its digest, and of that signer`() throws {
        let bytes = envelope.encoded()
        let payload = Hash.sha256(envelope.payload)
        try check(body(hash: Hash.sha256(bytes), by: key.publicKey), layer(bytes))
        try check(body(hash: Hash.sha256(bytes), payload: payload, by: key.publicKey), layer(bytes))

        // the same envelope spelled another way is not what the log was shown
        #expect(throws: SigstoreError.self) {
            try check(body(hash: Hash.sha256(bytes), by: key.publicKey), layer(bytes + [0x0A]))
        }
        #expect(throws: SigstoreError.self) {
            try check(body(hash: Hash.sha256([1]), by: key.publicKey), layer(bytes))
        }
        #expect(throws: SigstoreError.self) {
            try check(body(hash: Hash.sha256(bytes), payload: Hash.sha256([1]), by: key.publicKey), layer(bytes))
        }
        let other = try PrivateKey.generate(.ecdsaP256).publicKey
        #expect(throws: SigstoreError.self) { try check(body(hash: Hash.sha256(bytes), by: other), layer(bytes)) }
    }

    @Test func `in a bundle it is refused: a bundle does not keep the bytes that were logged`() throws {
        let bundle = UnverifiedBundle(
            version: .v03, material: .publicKey(hint: ""), content: .envelope(envelope), tlogEntries: [], timestamps: []
        )
        let presented = PresentedSignature(
            bundle, try ArtifactDigest("sha256:" + String(repeating: "1", count: 64)))
        let error = #expect(throws: SigstoreError.self) {
            try check(body(hash: Hash.sha256(envelope.encoded()), by: key.publicKey), presented)
        }
        #expect(error?.observed.contains("intoto 0.0.1 in a bundle") == true)
    }

    @Test func `read by itself it shows the signer and the envelope's digest, and no signature`() throws {
        let bytes = envelope.encoded()
        let logged = try LoggedSignature(entry(body(hash: Hash.sha256(bytes), by: key.publicKey)))
        #expect(logged.contents.map(\.what) == ["envelope"] && logged.contents[0].digest == Hash.sha256(bytes))
        #expect(logged.signatures.isEmpty && logged.signers.count == 1)
    }
}
