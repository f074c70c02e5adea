import OpenSSL

/// The key that an entry was signed with, as Rekor reads and stores it: PEM of a certificate or of a public key.
struct VerificationKey {
    let key: PublicKey
    /// PEM written anew; what goes into the canonical body, and whose hash the index knows.
    let canonicalPEM: [UInt8]
    /// Names of a certificate, for the search index.
    let subjects: [String]

    init(pem: [UInt8]) throws(RekorRefusal) {
        do {
            guard let block = try PEM.blocks(in: String(decoding: pem, as: UTF8.self)).first else {
                throw RekorRefusal.entry("invalid public key: failure decoding PEM")
            }
            if block.label == "CERTIFICATE" {
                let certificate = try Certificate(der: block.der)
                key = certificate.publicKey
                canonicalPEM = Array(certificate.pem.utf8)
                subjects = certificate.subjectAlternativeNames.compactMap { name in
                    switch name {
                    case .email(let text), .uri(let text), .dns(let text): text
                    default: nil
                    }
                }
            } else {
                key = try PublicKey(spki: block.der)
                canonicalPEM = Array(key.pem.utf8)
                subjects = []
            }
        } catch let refusal as RekorRefusal {
            throw refusal
        } catch {
            throw .entry("invalid public key: \(error)")
        }
    }

    var fingerprint: String { Hash.sha256(canonicalPEM).hex }
}
