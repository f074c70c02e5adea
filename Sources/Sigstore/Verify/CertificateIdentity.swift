import OpenSSL
import Synchronization

/// Who must have signed: the certificate's subject alternative name, and the issuer that vouched for it.
public struct CertificateIdentity: Sendable, Equatable {
    /// How a name is compared.
    public enum Pattern: Sendable, Equatable {
        /// The same bytes; no normalisation, no case folding.
        case exact(String)
        /// A regular expression found anywhere in the name, as cosign's `--certificate-identity-regexp` does: anchor it.
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
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for an empty name or a regular expression that does not compile.
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
        if case .regex(let text) = self, CompiledPattern.of(text) == nil {
            throw .malformed(what, "not a regular expression")
        }
    }

    /// Whether `name` is the one.
    func matches(_ name: String) -> Bool {
        switch self {
        case .exact(let text): return text.utf8.elementsEqual(name.utf8)
        case .regex(let text): return CompiledPattern.of(text)?.isFound(in: name) ?? false
        }
    }

    /// Whether this is a regular expression that need not match the whole name.
    public var isUnanchored: Bool {
        guard case .regex(let text) = self else { return false }
        // an alternative at the top is anchored only where the anchor stands
        return !(text.hasPrefix("^") && text.hasSuffix("$")) || text.contains("|") && !Self.isOneGroup(text)
    }

    /// `^(…)$` with the outer parentheses around everything.
    private static func isOneGroup(_ text: String) -> Bool {
        let inner = text.dropFirst().dropLast()
        guard inner.hasPrefix("("), inner.hasSuffix(")") else { return false }
        var depth = 0
        for (offset, character) in inner.enumerated() {
            if character == "(" { depth += 1 } else if character == ")" { depth -= 1 }
            if depth == 0, offset < inner.count - 1 { return false }
        }
        return depth == 0
    }

    public var description: String {
        switch self {
        case .exact(let text): "\"\(text)\""
        case .regex(let text): "/\(text)/"
        }
    }
}

/// A regular expression, compiled once: that costs more than all signatures of a bundle.
private final class CompiledPattern: Sendable {
    private static let known = RecentlyUsed<CompiledPattern>(capacity: 64)
    /// `Regex` is not `Sendable`.
    private let regex: Mutex<Regex<AnyRegexOutput>>

    private init(_ text: String) throws { regex = Mutex(try Regex(text).matchingSemantics(.unicodeScalar)) }

    /// nil: it does not compile.
    static func of(_ text: String) -> CompiledPattern? {
        let bytes = Array(text.utf8)
        if let pattern = known.value(for: bytes) { return pattern }
        guard let pattern = try? CompiledPattern(text) else { return nil }
        known.remember(pattern, for: bytes)
        return pattern
    }

    func isFound(in name: String) -> Bool { regex.withLock { name.firstMatch(of: $0) != nil } }
}
