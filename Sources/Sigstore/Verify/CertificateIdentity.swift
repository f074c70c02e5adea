/// Who must have signed: the certificate's subject alternative name, and the issuer that vouched for it.
public struct CertificateIdentity: Sendable, Equatable {
    /// How a name is compared.
    public enum Pattern: Sendable, Equatable {
        /// The same bytes; no normalisation, no case folding.
        case exact(String)
        /// A regular expression found anywhere in the name, as cosign's `--certificate-identity-regexp` does: anchor it.
        case regex(String)
    }

    /// The subject alternative name to expect.
    public let subjectAlternativeName: Pattern
    /// The issuer to expect.
    public let issuer: Pattern

    /// An identity to expect.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for an empty name or a regular expression that does not compile.
    public init(subjectAlternativeName: Pattern, issuer: Pattern) throws(SigstoreError) {
        try subjectAlternativeName.validate("certificate identity")
        try issuer.validate("certificate issuer")
        self.subjectAlternativeName = subjectAlternativeName
        self.issuer = issuer
    }
}

extension CertificateIdentity.Pattern: CustomStringConvertible {
    fileprivate func validate(_ what: String) throws(SigstoreError) {
        switch self {
        case .exact(let text), .regex(let text):
            // an empty expectation is a forgotten setting; as a regex it would match everyone
            guard !text.isEmpty else { throw .malformed(what, "empty") }
        }
        if case .regex(let text) = self, (try? Regex(text)) == nil {
            throw .malformed(what, "not a regular expression")
        }
    }

    /// Whether `name` is the one.
    func matches(_ name: String) -> Bool {
        switch self {
        case .exact(let text): return text.utf8.elementsEqual(name.utf8)
        case .regex(let text):
            guard let regex = try? Regex(text).matchingSemantics(.unicodeScalar) else { return false }
            return name.firstMatch(of: regex) != nil
        }
    }

    public var description: String {
        switch self {
        case .exact(let text): "\"\(text)\""
        case .regex(let text): "/\(text)/"
        }
    }
}
