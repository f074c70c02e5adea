import OpenSSL
import StrictJSON

extension UnverifiedBundle {
    /// The version 0.3 JSON of this bundle, byte for byte the same for the same bundle: schema order, no white space,
    /// 64-bit integers as strings, zero values absent (ProtoJSON) but for an entry's index and path.
    ///
    /// - Throws: ``SigstoreError/unsupported(_:)`` for a bundle that was read as an older version.
    public func json() throws(SigstoreError) -> [UInt8] {
        guard version == .v03 else { throw .unsupported("writing a bundle of version \(version.rawValue)") }
        var object: JSONObject = ["mediaType": .string(Self.mediaType)]
        object["verificationMaterial"] = verificationMaterial
        switch content {
        case .envelope(let envelope): object["dsseEnvelope"] = envelope.json
        case .messageSignature(let algorithm, let digest, let signature):
            var message: JSONObject = [:]
            if let algorithm, let digest {
                message["messageDigest"] = .object([
                    "algorithm": .string(algorithm), "digest": .string(Base64.encode(digest)),
                ])
            }
            message["signature"] = .string(Base64.encode(signature))
            object["messageSignature"] = .object(message)
        }
        return JSONValue.object(object).encoded()
    }

    private var verificationMaterial: JSONValue {
        var object: JSONObject = [:]
        switch material {
        case .certificate(let der):
            object["certificate"] = .object(["rawBytes": .string(Base64.encode(der))])
        case .publicKey(let hint):
            object["publicKey"] = hint.isEmpty ? .object([:]) : .object(["hint": .string(hint)])
        }
        if !tlogEntries.isEmpty { object["tlogEntries"] = .array(tlogEntries.map(\.protobufJSON)) }
        if !timestamps.isEmpty {
            let list = timestamps.map { JSONValue.object(["signedTimestamp": .string(Base64.encode($0))]) }
            object["timestampVerificationData"] = .object(["rfc3161Timestamps": .array(list)])
        }
        return .object(object)
    }
}
