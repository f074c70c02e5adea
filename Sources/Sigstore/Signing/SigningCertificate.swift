public import FoundationEssentials
public import OpenSSL
import StrictJSON

/// A certificate from Fulcio with what it says about the signer.
public struct SigningCertificate: Sendable {
    /// The certificate of the ephemeral key.
    public let leaf: Certificate
    /// The rest of the chain as Fulcio gave it; verifiers take theirs from the trusted root.
    public let chain: [Certificate]
    /// The subject alternative name, as text.
    public let identity: String
    /// The OIDC issuer, from the extension.
    public let issuer: String

    /// The certificate's end.
    public var notAfter: Date { leaf.notAfter }

    /// A certificate with its chain, leaf first.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if it names no identity or no issuer.
    public init(chain: [Certificate]) throws(SigstoreError) {
        guard let leaf = chain.first else { throw .malformed("signing certificate", "an empty chain") }
        self.leaf = leaf
        self.chain = Array(chain.dropFirst())
        identity = try leaf.signerIdentity()
        issuer = try leaf.signerIssuer()
    }
}

extension Certificate {
    /// Fulcio's user names travel as an otherName.
    private static let userNameOID = "1.3.6.1.4.1.57264.1.7"

    /// The only subject alternative name, as text.
    public func signerIdentity() throws(SigstoreError) -> String {
        let names = subjectAlternativeNames
        // exactly one: with several, "an identity matches" and "the identity matches" would differ
        guard names.count == 1, let name = names.first else {
            throw .malformed("signing certificate", "\(names.count) subject alternative names instead of one")
        }
        switch name {
        case .email(let text), .uri(let text):
            guard text.isStreamSafe else {
                throw .malformed("signing certificate", "a subject alternative name of combining marks")
            }
            return text
        case .otherName(let oid, let value):
            guard oid == Self.userNameOID, let text = Self.utf8String(value) else {
                throw .malformed("signing certificate", "an otherName of type \(oid)")
            }
            return text
        default:
            throw .malformed(
                "signing certificate", "a subject alternative name that is neither email, URI nor user name")
        }
    }

    /// The OIDC issuer: extension .8 (a DER string), else .1 (raw bytes).
    public func signerIssuer() throws(SigstoreError) -> String {
        if let value = extensionValue(FulcioExtension.Kind.issuerV2.oid) {
            guard let text = Self.utf8String(value) else {
                throw .malformed("signing certificate", "the issuer extension is not a UTF8String")
            }
            return text
        }
        guard let value = extensionValue(FulcioExtension.Kind.issuer.oid),
            let text = String(validating: value, as: UTF8.self), text.isStreamSafe
        else {
            throw .malformed("signing certificate", "no issuer extension")
        }
        return text
    }

    /// The text of a DER UTF8String, nil for anything else. Read as strictly as the certificate around it: a text that has a
    /// second encoding is one that another verifier does not see.
    static func utf8String(_ der: [UInt8]) -> String? {
        guard let text = try? DER.decodeUTF8String(der), text.isStreamSafe else { return nil }
        return text
    }
}
