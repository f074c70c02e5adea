import OpenSSL
import StrictJSON

/// A private key as cosign stores it: JSON in PEM, the PKCS #8 bytes in a NaCl secret box under a key that scrypt makes of a
/// password (go-securesystemslib `encrypted`, which took it over from go-tuf).
struct EncryptedKey {
    /// The PEM labels of cosign's files, the older one last.
    static let labels = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"]

    private let n: Int
    private let r: Int
    private let p: Int
    private let salt: [UInt8]
    private let nonce: [UInt8]
    private let box: [UInt8]

    /// Reads the JSON inside the PEM block.
    init(json: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "encrypted key", parsing: json)
        let derivation = try document.required("kdf")
        let name = try derivation.required("name").string()
        guard name == "scrypt" else { throw .unsupported("an encrypted key with the key derivation \(name)") }
        let costs = try derivation.required("params")
        n = try Self.cost(costs, "N")
        r = try Self.cost(costs, "r")
        p = try Self.cost(costs, "p")
        salt = try derivation.required("salt").bytes()
        let cipher = try document.required("cipher")
        let cipherName = try cipher.required("name").string()
        guard cipherName == "nacl/secretbox" else {
            throw .unsupported("an encrypted key with the cipher \(cipherName)")
        }
        nonce = try cipher.required("nonce").bytes()
        box = try document.required("ciphertext").bytes()
        guard nonce.count == SecretBox.nonceByteCount, (16...1 << 16).contains(box.count), salt.count <= 1024 else {
            throw document.malformed("nonce, salt or ciphertext have an impossible length")
        }
    }

    /// The key, by its password. Takes as long as the file's costs say: a fifth of a second with cosign's.
    func decrypted(password: [UInt8]) throws(CryptoError) -> PrivateKey {
        var secret = try KeyDerivation.scrypt(
            password: password, salt: salt, n: n, r: r, p: p, count: SecretBox.keyByteCount)
        defer { cleanse(&secret) }
        var der = try SecretBox.open(box, nonce: nonce, key: secret)
        defer { cleanse(&der) }
        return try PrivateKey(der: der)
    }

    private static func cost(_ costs: JSONField, _ name: String) throws(SigstoreError) -> Int {
        // not by JSONField.required: "N" in snake case would be "_n"
        guard let number = costs.value[name]?.integer, number > 0 else {
            throw costs.malformed("\(name) is missing or no count")
        }
        return number
    }
}
