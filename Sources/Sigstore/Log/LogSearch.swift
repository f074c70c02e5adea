import OpenSSL
import StrictJSON

/// What Rekor v1's index can be searched by. It is a convenience of the server, not part of the log: an empty answer proves
/// nothing.
public enum LogSearch: Sendable, Equatable {
    /// A digest of an artifact, payload or envelope, `sha256:<hex>`. Entries of kind `dsse` are also found by the digests of
    /// their statement's subjects.
    case hash(String)
    /// An e-mail address among a certificate's names; other names are not indexed.
    case email(String)
    /// A certificate or key, in PEM.
    case publicKey(pem: String)

    var question: [UInt8] {
        let object: JSONObject =
            switch self {
            case .hash(let digest): ["hash": .string(digest)]
            case .email(let address): ["email": .string(address)]
            case .publicKey(let pem):
                [
                    "publicKey": .object([
                        "format": .string("x509"), "content": .string(Base64.encode(Array(pem.utf8))),
                    ])
                ]
            }
        return JSONValue.object(object).encoded()
    }
}
