package import FoundationEssentials
package import OpenSSL
import Sigstore

/// What a signing certificate says, every field that Fulcio defines by its name; for people. Nothing is judged.
package struct CertificateDescription: Encodable, Sendable {
    /// One subject alternative name.
    package struct Name: Encodable, Sendable {
        /// `email`, `uri`, `dns`, or the dotted OID of another kind.
        package let kind: String
        package let value: String
    }

    /// One of Fulcio's extensions, or one of its arc that only the OID is known of.
    package struct Extension: Encodable, Sendable {
        /// The name in Fulcio's table (`docs/oid-info.md`); nil for an OID that it does not have.
        package let name: String?
        package let oid: String
        /// What it says; nil if it cannot be read. Of an unknown OID its text, or `0x` and the bytes in hex.
        package let value: String?
        /// Why it cannot be read. Verifiers refuse such a certificate.
        package let problem: String?
    }

    /// RFC 2253 text; empty for Fulcio's leaves, which name their subject in ``names``.
    package let subject: String
    /// RFC 2253 text of the authority's name.
    package let issuer: String
    package let serialNumber: String
    /// What verifiers pin; nil where the certificate has not exactly one name.
    package let identity: String?
    /// The OIDC issuer that vouched for it; nil where the certificate names none.
    package let oidcIssuer: String?
    package let names: [Name]
    package let notBefore: Date
    package let notAfter: Date
    package let keyAlgorithm: String
    package let signatureAlgorithm: String
    /// SHA-256 of the DER.
    package let fingerprint: String
    /// Everything in Fulcio's arc, each by itself: the known ones in the order of their numbers, then the others.
    package let extensions: [Extension]

    package init(_ certificate: Certificate) {
        subject = certificate.subject
        issuer = certificate.issuer
        serialNumber = Hex.encode(certificate.serialNumber)
        identity = try? certificate.signerIdentity()
        oidcIssuer = try? certificate.signerIssuer()
        names = certificate.subjectAlternativeNames.map(Name.init)
        notBefore = certificate.notBefore
        notAfter = certificate.notAfter
        keyAlgorithm = certificate.publicKey.algorithm.words
        signatureAlgorithm = certificate.signatureScheme?.name ?? "unknown"
        fingerprint = Hex.encode(Hash.sha256(certificate.der))
        extensions = FulcioExtension.readings(of: certificate).map(Extension.init)
    }
}

extension CertificateDescription.Extension {
    fileprivate init(_ reading: FulcioExtension.Reading) {
        (name, oid) = (reading.kind?.name, reading.oid)
        switch reading.value {
        case .success(let text): (value, problem) = (text, nil)
        case .failure(let error): (value, problem) = (nil, error.observed)
        }
    }
}

extension CertificateDescription.Name {
    fileprivate init(_ name: GeneralName) {
        switch name {
        case .email(let text): (kind, value) = ("email", text)
        case .uri(let text): (kind, value) = ("uri", text)
        case .dns(let text): (kind, value) = ("dns", text)
        case .otherName(let oid, let der):
            (kind, value) = (oid, (try? DER.decodeUTF8String(der)) ?? Hex.encode(der))
        case .other(let tag): (kind, value) = ("tag \(tag)", "")
        }
    }
}

extension KeyAlgorithm {
    /// As people write it.
    package var words: String {
        switch self {
        case .ecdsaP256: "ECDSA P-256"
        case .ecdsaP384: "ECDSA P-384"
        case .ecdsaP521: "ECDSA P-521"
        case .rsa(let bits): "RSA \(bits)"
        case .ed25519: "Ed25519"
        }
    }
}
