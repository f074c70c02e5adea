import Curl
import OCI
import OpenSSL
import Postgres
import Sigstore
import TUF

/// An error of one of our closed sets, as people are told it.
///
/// Jobs, problem documents, commands and the doctor read an error through this alone: a set that conforms is told everywhere.
package protocol Explained: Error {
    /// Stable, for machines: `registry.unauthorized`.
    var code: String { get }
    /// What was seen, without secrets.
    var observed: String { get }
    /// What to do about it.
    var fix: String { get }
}

extension Explained where Self: CustomStringConvertible {
    package var observed: String { description }
}

extension BundleFileError: Explained {}
extension CryptoError: Explained {}
extension DocumentError: Explained {}
extension GlobError: Explained {}
extension HTTPError: Explained {}
extension ListenerError: Explained {}
extension LogStateError: Explained {}
extension OCIError: Explained {}
extension PostgresError: Explained {}
extension PreflightError: Explained {}
extension QueueError: Explained {}
extension SigningError: Explained {}
extension SigstoreError: Explained {}
extension TransparencyError: Explained {}
extension TrustError: Explained {}
extension TUFError: Explained {}
extension VerificationError: Explained {}
