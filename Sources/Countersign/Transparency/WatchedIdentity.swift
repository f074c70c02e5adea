import OpenSSL
import Sigstore

/// As whom we sign, the way an entry of a log shows it.
package enum WatchedIdentity: Sendable {
    case certificate(identity: String, issuer: String)
    /// A managed key, DER.
    case key([UInt8])

    package init(_ identity: SigningIdentity) {
        switch identity.means {
        case .keyless(_, let expected):
            self = .certificate(identity: expected.subjectAlternativeName, issuer: expected.issuer)
        case .key(let key): self = .key(key.publicKey.spki)
        }
    }

    func isSigner(_ signer: LogSubmission.Signer) -> Bool {
        switch (self, signer) {
        case (.certificate(let identity, let issuer), .certificate(let certificate)):
            (try? certificate.signerIdentity()) == identity && (try? certificate.signerIssuer()) == issuer
        case (.key(let spki), _): signer.key.spki == spki
        case (.certificate, .publicKey): false
        }
    }

    /// Its name, and who vouches for it; a key has neither.
    var names: (identity: String, issuer: String) {
        switch self {
        case .certificate(let identity, let issuer): (identity, issuer)
        case .key(let spki): ("key:\(Hex.encode(Hash.sha256(spki).prefix(8)))", "")
        }
    }
}
