import FoundationEssentials
import OpenSSL

/// A leaf certificate whose chain holds, and what is known of its transparency. What is left to check is only whether a
/// time lies in every validity.
struct VerifiedLeaf: Sendable {
    let chain: [Certificate]
    let authority: TrustedAuthority
    /// The log whose embedded timestamp holds, or why none does.
    let ctLog: Result<TrustedLog, VerificationError>
    let identity: String
    let issuer: String
    let extensions: [FulcioExtension]

    func isValid(at time: Date) -> Bool {
        authority.validity.contains(time) && chain.allSatisfy { $0.notBefore <= time && time <= $0.notAfter }
    }
}
