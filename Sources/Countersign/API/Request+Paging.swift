import FoundationEssentials
import Hummingbird
import OCI
import Sigstore

/// What lists are asked with.
extension Request {
    /// `before`: the `next` of the page before.
    func cursor() throws(Problem) -> Int64? {
        try parameter("before", "the 'next' of the page before") { text in Int64(text).flatMap { $0 > 0 ? $0 : nil } }
    }

    /// `limit`: rows of a page.
    func limit(upTo most: Int = 500, otherwise usual: Int = 100) throws(Problem) -> Int {
        try parameter("limit", "a number from 1 to \(most)") { text in
            Int(text).flatMap { (1...most).contains($0) ? $0 : nil }
        } ?? usual
    }

    /// A moment, as `2026-01-02T15:04:05Z` or with a fraction of a second, as answers have it.
    func time(_ name: String) throws(Problem) -> Date? {
        try parameter(name, "a time such as 2026-01-02T15:04:05Z", parse: Date.init(rfc3339:))
    }

    /// The same, or a day, which stands for its beginning.
    func dayOrTime(_ name: String) throws(Problem) -> Date? {
        try parameter(name, "a day, or a time such as 2026-01-02T15:04:05Z") { text in
            Date(rfc3339: text) ?? Date(rfc3339: "\(text)T00:00:00Z")
        }
    }

    /// `registry` and `repository`, and what the token may see.
    func repositories(_ principal: APITokens.Principal?) throws(Problem) -> RepositoryFilter {
        var filter = RepositoryFilter()
        filter.registry = try storableText("registry")
        filter.pattern = try parameter("repository", "a glob over registry/repository") { try? Glob($0) }
        filter.scope = principal?.scope
        return filter
    }
}

extension Operation.Parameter {
    static let registry = query("registry", .string, "its canonical name")
    static let repositories = query(
        "repository", .string(matching: "^[!-~]{1,512}$"), "a glob over registry/repository")
    static let olderThan = query("until", .moment, "only what came before this time")
    static let newerThan = query("since", .moment, "only what came at this time or later")
}

extension Schema {
    /// A time in a query or a body: RFC 3339.
    static let moment = string(matching: "^\(day)T\(timeOfDay)$")

    /// The same, or a day.
    static let dayOrMoment = string(matching: "^\(day)(T\(timeOfDay))?$")

    /// One that there is.
    private static let day =
        "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
        + "|02-(0[1-9]|1[0-9]|2[0-8]))"
        + "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
    private static let timeOfDay =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
}
