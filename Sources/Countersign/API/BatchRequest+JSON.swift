import FoundationEssentials
import HTTPTypes
import OCI
import OpenSSL
import Sigstore
import StrictJSON

/// A batch as it is asked for over the API. Members that are not known are refused: a selector whose misspelt condition
/// was passed over would select everything.
struct RequestedBatch {
    let request: BatchRequest
    /// Say what would be done, and do nothing.
    let isDryRun: Bool
    /// What was asked, canonically: the selector alone, for the record.
    let selector: String?
    /// The policy that its author read, where he insists on it.
    private let policyVersion: String?

    private static let common = [
        "references", "selector", "dry_run", "formats", "reason", "policy_version", "grouping", "rate",
    ]

    /// - Parameter action: what the path says; `resign` also takes `old`, which decides in place of what is given here, and
    ///   demands a reason.
    init(_ body: [UInt8], _ action: Batch.Action, registries: [RegistryConfiguration]) throws(Problem) {
        let document: JSONValue
        do { document = try JSONValue(parsing: body) } catch {
            throw Problem(.badRequest, "api.malformed", "not JSON: \(error)")
        }
        let fields = try Fields(document, "the request", known: Self.common + (action == .sign ? [] : ["old"]))
        policyVersion = try fields.text("policy_version")
        isDryRun = try fields.flag("dry_run") ?? false
        let reason = try fields.text("reason")
        var action = action
        if case .resign(let usual) = action {
            guard reason?.isEmpty == false else {
                throw Problem(
                    .badRequest, "api.malformed", "'reason' is missing: why is there to be another signature?")
            }
            let word = try fields.text("old") ?? usual.rawValue
            guard let old = Batch.OldSignatures(rawValue: word) else {
                throw Problem(.badRequest, "api.malformed", "'old' must be keep or remove")
            }
            action = .resign(old)
        }
        guard (reason?.utf8.count ?? 1) <= 1_000, reason?.isEmpty != true else {
            throw Problem(.badRequest, "api.malformed", "'reason' must be 1 to 1,000 bytes of text")
        }
        let subjects: BatchRequest.Subjects
        switch (fields["references"], fields["selector"]) {
        case (let list?, nil): subjects = .list(try Self.references(list, registries))
        case (nil, let selector?): subjects = .selector(try BatchSelector(selector, registries))
        default:
            throw Problem(.badRequest, "api.malformed", "one of 'references' and 'selector' must be there, not both")
        }
        selector = fields["selector"].map { String(decoding: $0.encoded(), as: UTF8.self) }
        let formats = try fields.texts("formats", atMost: 2)?.map { (text) throws(Problem) in
            guard let format = SignatureFormat(rawValue: text) else {
                throw Problem(.badRequest, "api.malformed", "'formats' are bundle and legacy")
            }
            return format
        }
        let grouping = try fields["grouping"].map { (value) throws(Problem) in try Batch.Grouping(value) }
        guard grouping == nil || formats?.contains(.legacy) != true else {
            throw Problem(
                .badRequest, "batch.grouping_format",
                "a statement about many digests is a bundle: the older format has none; leave out 'grouping' or 'legacy'"
            )
        }
        request = BatchRequest(
            subjects: subjects, action: action, formats: formats, reason: reason, grouping: grouping,
            rate: try fields.number("rate", 1...60_000))
    }

    /// Refuses it under another policy than its author read. Not where it is repeated: what was stored then is meant.
    func insist(on policy: SigningPolicy) throws(Problem) {
        guard let policyVersion, policyVersion != policy.version else { return }
        throw Problem(.conflict, "batch.policy_version", "the policy is \(policy.version), not \(policyVersion)")
    }

    private static func references(
        _ list: JSONValue, _ registries: [RegistryConfiguration]
    ) throws(Problem) -> [BatchSubject] {
        guard case .array(let values) = list, (1...BatchRequest.memberLimit).contains(values.count) else {
            throw Problem(
                .badRequest, "api.malformed", "'references' must be a list of 1 to \(BatchRequest.memberLimit)")
        }
        return try values.map { (value) throws(Problem) in
            guard let text = value.text else {
                throw Problem(.badRequest, "api.malformed", "every reference must be text")
            }
            let reference = try RequestedReference(text, registries: registries)
            return BatchSubject(repository: reference.repository, tag: reference.tag, digest: reference.digest)
        }
    }
}

extension Batch.Grouping {
    fileprivate init(_ value: JSONValue) throws(Problem) {
        let fields = try Fields(value, "'grouping'", known: ["max_subjects", "across_repositories"])
        guard let most = try fields.number("max_subjects", 1...Statement.maxSubjects) else {
            throw Problem(.badRequest, "api.malformed", "'grouping' must have 'max_subjects'")
        }
        self.init(maxSubjects: most, acrossRepositories: try fields.flag("across_repositories") ?? false)
    }
}

extension BatchSelector {
    fileprivate init(_ value: JSONValue, _ registries: [RegistryConfiguration]) throws(Problem) {
        self.init()
        let fields = try Fields(
            value, "the selector",
            known: [
                "source", "registry", "repository", "tag", "digests", "unsigned", "signed_before", "identity",
            ])
        if let word = try fields.text("source") {
            guard let named = Source(rawValue: word) else {
                throw Problem(.badRequest, "api.malformed", "'source' must be records or registry")
            }
            source = named
        }
        if let name = try fields.text("registry") {
            registry = registries.first { $0.isCalled(name) }?.name ?? name
        }
        repository = try fields.glob("repository")
        tag = try fields.glob("tag")
        if let texts = try fields.texts("digests", atMost: BatchRequest.memberLimit) {
            var found = Set<Digest>()
            for text in texts {
                guard let digest = try? Digest(text) else {
                    throw Problem(.badRequest, "api.malformed", "'\(text.prefix(150))' is not a digest")
                }
                found.insert(digest)
            }
            digests = found
        }
        unsigned = try fields.flag("unsigned") ?? false
        if let text = try fields.text("signed_before") {
            guard let date = Date(rfc3339: text) else {
                throw Problem(
                    .badRequest, "api.malformed", "'signed_before' must be a time such as 2026-01-31T00:00:00Z")
            }
            signedBefore = date
        }
        identity = try fields.text("identity")
        guard source == .records || (digests == nil && !unsigned && !wantsSigned) else {
            throw Problem(
                .badRequest, "batch.selector_source",
                "a registry is asked for its tags alone: 'registry', 'repository' and 'tag'; what is signed is not signed again"
            )
        }
        guard source == .records || repository != nil else {
            throw Problem(.badRequest, "batch.selector_source", "say in which 'repository' the registry is to be asked")
        }
        guard !unsigned || !wantsSigned else {
            throw Problem(
                .badRequest, "api.malformed", "'unsigned' contradicts 'signed_before' and 'identity': nothing is both")
        }
        guard self != BatchSelector() else {
            throw Problem(
                .badRequest, "api.malformed", "the selector is empty; for everything say {\"repository\": \"**\"}")
        }
    }
}

/// The members of an object, none of them unknown.
private struct Fields {
    private let object: JSONObject
    private let name: String

    init(_ value: JSONValue, _ name: String, known: [String]) throws(Problem) {
        guard case .object(let object) = value else {
            throw Problem(.badRequest, "api.malformed", "\(name) must be an object")
        }
        for member in object.members where !known.contains(member.name) {
            throw Problem(
                .badRequest, "api.malformed",
                "\(name) has '\(member.name.prefix(40))'; known are \(known.joined(separator: ", "))")
        }
        self.object = object
        self.name = name
    }

    subscript(name: String) -> JSONValue? { object[name] }

    func text(_ name: String) throws(Problem) -> String? {
        guard let value = object[name] else { return nil }
        guard let text = value.text else { throw Problem(.badRequest, "api.malformed", "'\(name)' must be text") }
        return text
    }

    func flag(_ name: String) throws(Problem) -> Bool? {
        guard let value = object[name] else { return nil }
        guard case .bool(let flag) = value else {
            throw Problem(.badRequest, "api.malformed", "'\(name)' must be true or false")
        }
        return flag
    }

    func number(_ name: String, _ range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let value = object[name] else { return nil }
        guard case .number(let text) = value, let number = Int(text), range.contains(number) else {
            throw Problem(
                .badRequest, "api.malformed",
                "'\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func texts(_ name: String, atMost limit: Int) throws(Problem) -> [String]? {
        guard let value = object[name] else { return nil }
        guard case .array(let values) = value, (1...limit).contains(values.count) else {
            throw Problem(.badRequest, "api.malformed", "'\(name)' must be a list of 1 to \(limit)")
        }
        return try values.map { (value) throws(Problem) in
            guard let text = value.text else {
                throw Problem(.badRequest, "api.malformed", "'\(name)' must be a list of texts")
            }
            return text
        }
    }

    func glob(_ name: String) throws(Problem) -> Glob? {
        guard let text = try text(name) else { return nil }
        do { return try Glob(text) } catch {
            throw Problem(.badRequest, "api.malformed", "'\(name)': \(error)")
        }
    }
}
