import FoundationEssentials

/// What went wrong, for the person who has to mend it. Stored as `last_error` and shown by the API as it is.
package struct Failure: Codable, Sendable, Hashable {
    /// Stable, for machines: `registry.unauthorized`.
    package let code: String
    /// The step of the line that failed: `resolve`, `sign`, `log`, `publish`, …
    package let stage: String
    /// What was seen, without secrets; at most 2,000 characters.
    package let observed: String
    /// What to do about it.
    package let fix: String
    /// The dependency that the job waits for, where it was not asked: `rekor https://rekor.example.com`.
    package let upstream: String?

    /// Remote text may be in `observed`: it is cut and freed of control characters here, at the only door.
    package init(code: String, stage: String, observed: String, fix: String, upstream: String? = nil) {
        self.code = code
        self.stage = stage
        self.observed = Self.printable(observed, limit: 2_000)
        self.fix = Self.printable(fix, limit: 500)
        self.upstream = upstream
    }

    /// `text` in at most `limit` characters, made printable (PostgreSQL refuses NUL).
    static func printable(_ text: String, limit: Int) -> String {
        String(text.unicodeScalars.prefix(limit)).printable
    }
}

extension Failure {
    func json() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }

    init(json: String) throws { self = try JSONDecoder().decode(Failure.self, from: Data(json.utf8)) }
}
