import OCI
import Postgres

/// In which formats a target is to be signed, and in which of them it is published.
///
/// A push asks for all that the rule names. A batch may ask for fewer: `target.formats` says so, for as long as nobody asked
/// for the digest after that (`formats_as_of` is `pushes` then), so that a push need know nothing of it, whichever version
/// stores it. What batches ask for of a target that is on its way, or signed, adds up; one that ended without a signature begins
/// anew with what is asked then. What a cancelled batch asked for beside a signature that stands, and nobody began, is taken back.
/// A re-check asks for nothing: it looks after what was asked for.
extension SignatureFormat {
    /// What was asked for of a target `t`; NULL: all that its rule names.
    static let asked: Query = "CASE WHEN t.formats IS NOT NULL AND t.formats_as_of = t.pushes THEN t.formats END"

    /// The same with `more` beside it; NULL if either is all.
    static func asked(with more: Query) -> Query {
        """
        CASE WHEN \(asked) IS NOT NULL AND \(more) IS NOT NULL
            THEN ARRAY(SELECT DISTINCT f FROM unnest(\(asked) || \(more)) AS f ORDER BY f) END
        """
    }

    /// In which something was signed for a target `t`, published or not.
    static let begun: Query =
        "ARRAY(SELECT e.format FROM countersign.evidence_target e WHERE e.target_id = t.id AND e.live)"

    /// In which an attempt at a target `t` signs: what was asked for, and what was begun in a format before, which is finished.
    static let wanted: Query = "CASE WHEN \(asked) IS NOT NULL THEN \(asked) || \(begun) END"

    /// Those in which a registry was last seen to serve a signature of a target `t`.
    static let served: Query = """
        ARRAY(SELECT a.format FROM countersign.attachment a
            JOIN countersign.evidence_target e ON e.evidence_id = a.evidence_id AND e.target_id = a.target_id
            WHERE a.target_id = t.id AND e.live AND a.pushed_at IS NOT NULL AND a.missing_at IS NULL
                AND a.removed_at IS NULL)
        """

    /// Whether a target `t` is not served in all of `formats`; NULL, which is no, if those are all of its rule.
    static func lacks(_ formats: Query) -> Query { "NOT \(served) @> \(formats)" }

    /// As one column of many rows has them: `bundle,legacy`.
    static func list(_ formats: Set<SignatureFormat>) -> String {
        formats.map(\.rawValue).sorted().joined(separator: ",")
    }
}

extension Row {
    /// The formats of a column; nil for NULL.
    func formats(_ column: String) throws -> Set<SignatureFormat>? {
        try decode(column, as: [String]?.self).map { Set($0.compactMap(SignatureFormat.init)) }
    }
}

extension PolicyConfiguration.Rule {
    /// Its formats, as far as they are asked for, in the order in which they are published. A bundle first: cosign 3 looks for
    /// it first.
    /// - Parameter asked: nil: all.
    package func formats(asked: Set<SignatureFormat>?) -> [SignatureFormat] {
        SignatureFormat.allCases.filter { formats.contains($0) && asked?.contains($0) ?? true }
    }
}
