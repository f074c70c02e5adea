import FoundationEssentials
import OpenSSL

/// The key and chain of the timestamp authority: P-384 under a P-384 root, as the recorded one, or P-256 under it.
struct TimestampAuthority: Sendable {
    /// Policy of every timestamp (sigstore/timestamp-authority's default).
    static let policy = "1.3.6.1.4.1.57264.2"
    private static let timeStamping = "1.3.6.1.5.5.7.3.8"

    let key: PrivateKey
    let leaf: Certificate
    let root: Certificate
    var chain: [Certificate] { [leaf, root] }

    init(_ store: KeyStore, _ number: Int, _ algorithm: KeyAlgorithm) throws {
        let rootKey = try store.key(KeyStore.name("tsa-root", number), .ecdsaP384)
        root = try store.certificate(KeyStore.name("tsa-root", number), for: rootKey, by: nil) {
            $0.authority = .init()
            $0.keyUsage = [.certificateSigning, .crlSigning]
        }
        key = try store.key(KeyStore.name("tsa", number), algorithm)
        leaf = try store.certificate(KeyStore.name("tsa", number), for: key, by: (rootKey, root)) {
            $0.keyUsage = .digitalSignature
            $0.extendedKeyUsages = [Self.timeStamping]
            $0.extendedKeyUsageIsCritical = true
        }
    }

    /// A granted response (RFC 3161 §2.4.2) with a random serial number of 20 bytes, as recorded.
    func issue(_ query: TimestampRequest, now: Date) throws -> [UInt8] {
        try TimestampResponse.issue(
            query, key: key, certificate: leaf, policy: Self.policy, serialNumber: SecureRandom.bytes(20), time: now)
    }
}
