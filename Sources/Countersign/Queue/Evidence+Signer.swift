import OpenSSL
import Sigstore

extension Evidence.Prepared {
    /// Whose certificate it is, as a monitor of the log would search for it: the identity, and the issuer that vouched.
    /// nil for a managed key, and for a certificate that names nobody.
    var signer: (identity: String, issuer: String)? {
        guard let der = certificateChain.first, let leaf = try? Certificate.remembered(der: der),
            let identity = try? leaf.signerIdentity(), let issuer = try? leaf.signerIssuer()
        else { return nil }
        return (identity, issuer)
    }
}
