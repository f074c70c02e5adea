import Hummingbird
import OCI

extension Request {
    /// A query parameter, percent-decoded.
    func parameter(_ name: String) -> String? {
        uri.queryParameters.get(name)
    }

    /// A query parameter in the one form `parse` understands.
    /// - Throws: 400 for any other form.
    func parameter<Value>(_ name: String, _ form: String, parse: (String) -> Value?) throws(Problem) -> Value? {
        guard let text = parameter(name) else { return nil }
        guard let value = parse(text) else {
            throw Problem(.badRequest, "api.bad_parameter", "'\(name)' must be \(form)")
        }
        return value
    }

    /// A query parameter that is compared with what the database holds: no text there has a NUL, and none is asked for.
    /// - Throws: 400 for one that has.
    func storableText(_ name: String) throws(Problem) -> String? {
        try parameter(name, "text without NUL") { $0.utf8.contains(0) ? nil : $0 }
    }
}

/// What a caller means by a reference: a configured registry under its canonical name, and a tag or a digest.
struct RequestedReference {
    let repository: Repository
    let tag: String?
    let digest: Digest?

    /// - Parameter isWholeRepositoryMeant: whether a repository without tag and digest stands for all in it.
    /// - Throws: 400 for what is no reference or names neither tag nor digest. An unknown registry is no error here: its name
    ///   stays as it is.
    init(
        _ text: String, registries: [RegistryConfiguration], isWholeRepositoryMeant: Bool = false
    ) throws(Problem) {
        let reference: Reference
        do { reference = try Reference(text) } catch {
            throw Problem(
                .badRequest, "reference.malformed", "'\(text.prefix(300))' is not host/repository:tag or @digest")
        }
        guard isWholeRepositoryMeant || reference.tag != nil || reference.digest != nil else {
            throw Problem(.badRequest, "reference.incomplete", "the reference names neither a tag nor a digest")
        }
        repository = registries.canonical(reference.repository)
        tag = reference.tag
        digest = reference.digest
    }
}
