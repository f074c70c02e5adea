/// Who must have signed: the certificate's subject alternative name, and the issuer that vouched for it.
public struct CertificateIdentity: Sendable, Equatable {
    /// How a name is compared.
    public enum Pattern: Sendable, Equatable {
        /// The same bytes; no normalisation, no case folding.
        case exact(String)
        /// A regular expression of Go's `regexp` (RE2), found anywhere in the name, as cosign's
        /// `--certificate-identity-regexp` is: anchor it. `\w`, `\d` and `[[:alpha:]]` are ASCII.
        /// One that is not anchored is told in the result's ``VerifiedSignature/warnings``.
        case regex(String)
    }

    /// The subject alternative name to expect.
    public let subjectAlternativeName: Pattern
    /// The issuer to expect.
    public let issuer: Pattern
    /// What else the certificate must say (cosign's `--certificate-github-workflow-…` and any other of Fulcio's fields).
    public let extensions: [FulcioExtension.Kind: Pattern]

    /// An identity to expect.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for an empty name, ``SigstoreError/pattern(_:_:)`` for a regular
    ///   expression that cannot be read.
    public init(
        subjectAlternativeName: Pattern, issuer: Pattern, extensions: [FulcioExtension.Kind: Pattern] = [:]
    ) throws(SigstoreError) {
        try subjectAlternativeName.validate("certificate identity")
        try issuer.validate("certificate issuer")
        for (field, pattern) in extensions { try pattern.validate(field.name) }
        self.subjectAlternativeName = subjectAlternativeName
        self.issuer = issuer
        self.extensions = extensions
    }

    /// What a reader of the answer should know: patterns that match more than they seem to.
    var warnings: [String] {
        ([("identity", subjectAlternativeName), ("issuer", issuer)] + extensions.map { ($0.key.name, $0.value) })
            .filter { $0.1.isUnanchored }
            .map { "the expected \($0.0) \($0.1) is not anchored by ^ and $: it is found anywhere in a name" }
            .sorted()
    }
}

extension CertificateIdentity.Pattern: CustomStringConvertible {
    fileprivate func validate(_ what: String) throws(SigstoreError) {
        switch self {
        case .exact(let text), .regex(let text):
            // an empty expectation is a forgotten setting; as a regex it would match everyone
            guard !text.isEmpty else { throw .malformed(what, "empty") }
        }
        guard case .regex(let text) = self else { return }
        do throws(PatternFault) { _ = try IdentityPattern.of(text) } catch { throw .pattern(what, error) }
    }

    /// Whether `name` is the one.
    func matches(_ name: String) -> Bool {
        switch self {
        case .exact(let text): return text.utf8.elementsEqual(name.utf8)
        case .regex(let text): return (try? IdentityPattern.of(text))?.search(name).isFound ?? false
        }
    }

    /// Whether this is a regular expression that need not match the whole name.
    public var isUnanchored: Bool {
        guard case .regex(let text) = self else { return false }
        return (try? IdentityPattern.of(text))?.isAnchored != true
    }

    public var description: String {
        switch self {
        case .exact(let text): "\"\(text)\""
        case .regex(let text): "/\(text)/"
        }
    }
}
