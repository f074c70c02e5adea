public import Curl

/// Everything that can go wrong between us and a registry, or in what it served.
public enum OCIError: Error, Sendable {
    // What was written is not in the grammar.
    /// A reference, repository or tag: the text, and what is wrong with it.
    case referenceMalformed(String, String)
    /// A digest: the text, and what is wrong with it.
    case digestMalformed(String, String)
    /// The configured address of a registry, or one of its allowed token realms.
    case endpointMalformed(String, String)

    // What was served is not what it should be.
    /// Not a manifest, or not the one that was asked for.
    case manifestMalformed(String)
    /// More bytes or entries than are taken.
    case tooLarge(what: String, limit: Int, unit: String)
    /// A manifest of a kind that is not read, such as Docker's first schema.
    case unsupportedMediaType(String)
    /// The bytes served are not those of the digest asked for.
    case digestMismatch(expected: Digest, actual: Digest)
    /// The fallback tag holds something that is not a referrers index. It is never overwritten.
    case fallbackNotAnIndex(tag: String, saw: String)
    /// A status or field outside the protocol, such as an upload without `Location`.
    case unexpectedAnswer(RegistryAnswer, String)

    // What the registry answered.
    /// 401 although the credentials were presented anew.
    case unauthorized(RegistryAnswer)
    /// 403.
    case forbidden(RegistryAnswer)
    /// 404.
    case notFound(RegistryAnswer)
    /// 429: ask again later.
    case throttled(RegistryAnswer)
    /// 5xx, or another answer that may be different soon.
    case unavailable(RegistryAnswer)
    /// The manifest names a blob the registry does not have (`MANIFEST_BLOB_UNKNOWN`).
    case blobUnknown(RegistryAnswer)
    /// 400, 401 or 403 of the host that the registry redirects to for a blob. It signs a new address each time.
    case redirectTargetRefused(RegistryAnswer)
    /// Any other 4xx.
    case refused(RegistryAnswer)

    // Deleting, with the credential for it.
    /// This registry deletes no manifests: 405, 501 or `UNSUPPORTED`.
    case deletionUnsupported(RegistryAnswer)
    /// 401 or 403: the credential for deleting is wrong or too small.
    case deletionRefused(RegistryAnswer)
    /// It was deleted, and is served all the same.
    case deletedStillServed(Digest)

    // Credentials.
    /// A `WWW-Authenticate` header: what it says, and what is wrong with it.
    case challengeMalformed(String, String)
    /// A token realm that must not be asked, or must not see our credentials.
    case tokenRealmRefused(realm: String, String)
    /// What a token realm answered holds no token.
    case tokenAnswerMalformed(String)
    /// The credentials themselves cannot be read.
    case credentials(String)
    /// `credsStore` or `credHelpers` would have to be executed.
    case credentialHelper(host: String, helper: String)

    // Publishing.
    /// Another writer replaced the fallback index each time.
    case fallbackIndexContended(tag: String, attempts: Int)
    /// cosign has no legacy tag for this digest: it would be longer than a tag may be.
    case legacyTagImpossible(Digest)
    /// The tag of an image's legacy signatures holds something else. It is never overwritten.
    case legacyTagNotSignatures(tag: String, saw: String)
    /// Another writer replaced the legacy signatures each time.
    case legacyTagContended(tag: String, attempts: Int)
    /// The registry accepted the referrer and does not list it (yet).
    case referrerNotListed(subject: Digest, referrer: Digest)

    /// No answer at all.
    case transport(operation: String, HTTPError)
}

extension OCIError {
    /// The stable code of API, logs and metrics.
    public var code: String {
        switch self {
        case .referenceMalformed: "reference.malformed"
        case .digestMalformed: "digest.malformed"
        case .endpointMalformed: "registry.endpoint_malformed"
        case .manifestMalformed: "manifest.malformed"
        case .tooLarge: "manifest.too_large"
        case .unsupportedMediaType: "registry.unsupported_media_type"
        case .digestMismatch: "registry.digest_mismatch"
        case .fallbackNotAnIndex: "registry.fallback_not_an_index"
        case .unexpectedAnswer: "registry.unexpected_answer"
        case .unauthorized: "registry.unauthorized"
        case .forbidden: "registry.forbidden"
        case .notFound: "registry.not_found"
        case .throttled: "registry.throttled"
        case .unavailable, .transport: "registry.unavailable"
        case .blobUnknown: "registry.blob_unknown"
        case .redirectTargetRefused: "registry.redirect_target_refused"
        case .refused: "registry.refused"
        case .deletionUnsupported: "registry.deletion_unsupported"
        case .deletionRefused: "registry.deletion_refused"
        case .deletedStillServed: "registry.deleted_still_served"
        case .challengeMalformed: "registry.challenge_malformed"
        case .tokenRealmRefused: "registry.token_realm_refused"
        case .tokenAnswerMalformed: "registry.token_malformed"
        case .credentials: "registry.credentials_malformed"
        case .credentialHelper: "registry.credential_helper"
        case .fallbackIndexContended: "registry.fallback_contended"
        case .legacyTagImpossible: "registry.legacy_tag_impossible"
        case .legacyTagNotSignatures: "registry.legacy_tag_not_signatures"
        case .legacyTagContended: "registry.legacy_tag_contended"
        case .referrerNotListed: "registry.referrer_not_listed"
        }
    }

    /// Whether the same request may succeed later without anyone changing anything.
    public var isTransient: Bool {
        switch self {
        case .throttled, .unavailable, .blobUnknown, .fallbackIndexContended, .legacyTagContended, .referrerNotListed,
            .deletedStillServed, .redirectTargetRefused:
            true
        case .transport(_, let error): error.isTransient
        default: false
        }
    }

    /// How long the registry asked us to wait (429, 503).
    public var retryAfter: Duration? { answer?.retryAfter }

    /// The HTTP status, when there was an answer.
    public var status: Int? { answer?.status }

    /// Whether a write may have reached the registry although no answer came.
    public var answerMayBeLost: Bool {
        if case .transport(_, let error) = self { error.answerMayBeLost } else { false }
    }

    private var answer: RegistryAnswer? {
        switch self {
        case .unauthorized(let answer), .forbidden(let answer), .notFound(let answer), .throttled(let answer),
            .unavailable(let answer), .blobUnknown(let answer), .refused(let answer), .unexpectedAnswer(let answer, _),
            .redirectTargetRefused(let answer), .deletionUnsupported(let answer), .deletionRefused(let answer):
            answer
        default: nil
        }
    }
}

extension OCIError: CustomStringConvertible {
    /// What was seen, for an operator. Never contains a credential or a token.
    public var description: String {
        switch self {
        case .referenceMalformed(let text, let reason): "not a reference: \"\(text.legible)\": \(reason.legible)"
        case .digestMalformed(let text, let reason): "not a digest: \"\(text.legible)\": \(reason)"
        case .endpointMalformed(let text, let reason): "registry address \"\(text.legible)\": \(reason)"
        case .manifestMalformed(let reason): reason.legible
        case .tooLarge(let what, let limit, let unit): "\(what) is larger than \(limit) \(unit)"
        case .unsupportedMediaType(let type): "unsupported: \(type.legible)"
        case .digestMismatch(let expected, let actual): "asked for \(expected), the bytes served hash to \(actual)"
        case .fallbackNotAnIndex(let tag, let saw): "tag \(tag) should hold a referrers index: \(saw.legible)"
        case .unexpectedAnswer(let answer, let reason): "\(answer): \(reason.legible)"
        case .unauthorized(let answer), .forbidden(let answer), .notFound(let answer), .throttled(let answer),
            .unavailable(let answer), .blobUnknown(let answer), .redirectTargetRefused(let answer),
            .refused(let answer), .deletionUnsupported(let answer), .deletionRefused(let answer):
            "\(answer)"
        case .deletedStillServed(let digest): "\(digest) was deleted, and the registry serves it all the same"
        case .challengeMalformed(let field, let reason): "WWW-Authenticate \"\(field.legible)\": \(reason)"
        case .tokenRealmRefused(let realm, let reason): "token realm \(realm.legible): \(reason)"
        case .tokenAnswerMalformed(let reason): "token answer: \(reason.legible)"
        case .credentials(let reason): "credentials: \(reason.legible)"
        case .credentialHelper(let host, let helper):
            "credentials of \(host.legible) are kept by the helper \(helper.legible), which is not executed; "
                + "give a config.json with auths, or a username and password file"
        case .fallbackIndexContended(let tag, let attempts):
            "tag \(tag) was replaced by another writer after each of \(attempts) attempts"
        case .legacyTagImpossible(let digest): "the legacy format has no tag for \(digest)"
        case .legacyTagNotSignatures(let tag, let saw): "tag \(tag) should hold cosign signatures: \(saw.legible)"
        case .legacyTagContended(let tag, let attempts):
            "tag \(tag) was replaced by another writer after each of \(attempts) attempts"
        case .referrerNotListed(let subject, let referrer): "\(referrer) was accepted and is not listed for \(subject)"
        case .transport(let operation, let error): "\(operation): \(error)"
        }
    }
}

extension String {
    /// Remote text fit for a log line: control characters as spaces, at most 2 kB.
    var legible: String {
        let scalars = unicodeScalars.prefix(2048).map { scalar in
            scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
                || scalar.value == 0x2028 || scalar.value == 0x2029 ? " " : scalar
        }
        var text = String(String.UnicodeScalarView(scalars))
        while text.utf8.count > 2048 { text.removeLast() }
        return text
    }
}
