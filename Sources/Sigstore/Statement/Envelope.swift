import OpenSSL
public import StrictJSON

/// A DSSE envelope (dsse v1.0): a payload, its type, and signatures over both.
public struct Envelope: Sendable, Equatable {
    /// One signature over the pre-authentication encoding.
    public struct Signature: Sendable, Equatable {
        /// The signature; ECDSA ones are DER.
        public let sig: [UInt8]
        /// An unauthenticated hint; cosign refuses any that is not empty, so ours have none.
        public let keyID: String?

        /// A signature over the pre-authentication encoding.
        public init(sig: [UInt8], keyID: String? = nil) {
            self.sig = sig
            self.keyID = keyID
        }
    }

    /// The signed bytes.
    public let payload: [UInt8]
    /// What they are; `application/vnd.in-toto+json` for statements.
    public let payloadType: String
    /// The signatures; a Sigstore bundle has exactly one.
    public let signatures: [Signature]

    /// An envelope.
    public init(payload: [UInt8], payloadType: String, signatures: [Signature]) {
        self.payload = payload
        self.payloadType = payloadType
        self.signatures = signatures
    }

    /// `DSSEv1 LEN(type) type LEN(payload) payload`: the bytes that are signed (dsse v1.0, protocol.md). Lengths are in bytes.
    public static func preAuthenticationEncoding(type: String, payload: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(payload.count + 64)
        out += "DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8
        out += payload
        return out
    }

    /// What this envelope's signatures are over.
    public var preAuthenticationEncoding: [UInt8] {
        Self.preAuthenticationEncoding(type: payloadType, payload: payload)
    }

    /// Compact JSON in the order `payload, payloadType, signatures`, without absent key ids; what is sent to Rekor,
    /// whose `envelopeHash` is over exactly these bytes.
    public func encoded() -> [UInt8] { json.encoded() }

    var json: JSONValue {
        .object([
            "payload": .string(Base64.encode(payload)), "payloadType": .string(payloadType),
            "signatures": .array(
                signatures.map { signature in
                    var object: JSONObject = ["sig": .string(Base64.encode(signature.sig))]
                    if let keyID = signature.keyID { object["keyid"] = .string(keyID) }
                    return .object(object)
                }),
        ])
    }

    /// Reads an envelope's JSON.
    /// - Throws: ``SigstoreError/malformed(_:_:)``.
    public init(json: [UInt8], limits: JSONLimits = .init()) throws(SigstoreError) {
        try self.init(
            JSONField(document: "envelope", parsing: json, limits: limits.holding(atMost: UnverifiedBundle.maxValues)))
    }

    init(_ field: JSONField) throws(SigstoreError) {
        try field.onlyMembers("payload", "payloadType", "signatures")
        payload = try field.required("payload").bytes()
        payloadType = try field.required("payloadType").string()
        var signatures: [Signature] = []
        for signature in try field.required("signatures").elements(atMost: 32) {
            try signature.onlyMembers("sig", "keyid")
            signatures.append(
                Signature(sig: try signature.required("sig").bytes(), keyID: try signature.optional("keyid")?.string()))
        }
        guard !signatures.isEmpty else { throw field.malformed("no signatures") }
        self.signatures = signatures
    }
}
