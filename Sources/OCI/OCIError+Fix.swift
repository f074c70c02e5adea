import Curl

extension OCIError {
    /// What an operator can do about it, at a daemon or at a command line.
    public var fix: String {
        switch self {
        case .notFound: "see that the name is right; nothing, if it was deleted; push it again if it should be signed"
        case .throttled: "try again later; the daemon does: lower its worker's concurrency if it persists"
        case .transport(_, .plainHTTPRefused), .transport(_, .addressDenied), .transport(_, .untrusted),
            .transport(_, .redirectRefused), .transport(_, .invalidRequest):
            "see url, ca_file, private_network and plain_http of the registry in the configuration; of a command "
                + "--ca-file, --private-network and --plain-http"
        case .transport(_, .unreachable(let url, _)) where url.hasPrefix("https:"):
            "see that the registry is up and reachable from here; one without TLS needs plain_http, of a command "
                + "--plain-http"
        case .unavailable, .transport: "see that the registry is up and reachable from here"
        case .unauthorized, .forbidden, .credentials, .credentialHelper, .tokenAnswerMalformed:
            "give the daemon credentials with pull and push on this repository, a command by --docker-config those that "
                + "it needs"
        case .redirectTargetRefused:
            "nothing, if it was an address that ran out; else see the storage of the registry: its credentials and clock"
        case .deletionUnsupported:
            "let the registry delete manifests (distribution: storage.delete.enabled) and revoke again, or do without"
        case .deletionRefused:
            "give the registry's `deletion` a credential that may delete manifests of this repository"
        case .deletedStillServed: "look at the registry's caches and replicas"
        case .challengeMalformed, .tokenRealmRefused: "if the token service is the registry's, name it in token_realms"
        case .digestMismatch: "the registry serves other bytes than the digest names: look at its storage and caches"
        case .legacyTagNotSignatures: "remove or rename the tag: it is reserved for the signatures of its digest"
        case .legacyTagImpossible: "sign this image with formats: [bundle]"
        case .fallbackNotAnIndex: "remove or rename the tag: it is reserved for the referrers of its digest"
        case .unsupportedMediaType, .manifestMalformed, .tooLarge: "push it in a format that clients can verify"
        case .endpointMalformed: "write the registry's address as host or host:port, its url as https://host"
        case .referenceMalformed, .digestMalformed, .unexpectedAnswer, .blobUnknown, .refused,
            .fallbackIndexContended, .legacyTagContended, .referrerNotListed:
            "look at the registry's own log at this time"
        }
    }
}
