public import Curl
public import FoundationEssentials
public import OpenSSL

/// The services that one keyless signature needs.
public enum SigstoreService: String, Sendable {
    /// The certificate authority.
    case fulcio
    /// A timestamp authority.
    case timestampAuthority = "tsa"
    /// A transparency log.
    case rekor
    /// Whoever gives us identity tokens, before Fulcio is asked.
    case identity
}

/// Why an identity token cannot be used.
public enum IdentityFault: Sendable, Equatable {
    /// The source has no token: the file or the variable is absent or empty.
    case missing(source: String, detail: String)
    /// Not a compact JWT, or a claim that every issuer sets is absent.
    case malformed(String)
    /// `exp` has passed.
    case expired(at: Date, now: Date)
    /// `nbf` or `iat` lies in the future.
    case notYetValid(from: Date, now: Date)
    /// `aud` does not contain what Fulcio expects.
    case audience(expected: String, seen: [String])
    /// `iss` is not the issuer that our certificates must name.
    case issuer(expected: String, seen: String)
    /// A signing key cannot be read or used; the text quotes nothing of it.
    case key(String)
    /// A program that should print a token did not.
    case program(String, detail: String)
}

/// Everything that stops signing, as facts; the words are for the edge.
public enum SigstoreError: Error, Sendable {
    /// The identity token itself is at fault.
    case identity(IdentityFault)
    /// The service answered and does not accept the request: repeating it unchanged will not help.
    case refused(SigstoreService, status: Int, message: String)
    /// 429, or 503 with a time: ask again later. `retryAfter` is nil when the service named no time.
    case throttled(SigstoreService, status: Int, retryAfter: Duration?, answerMayBeLost: Bool)
    /// No usable answer: 5xx or no connection. `answerMayBeLost` says the request may have taken effect.
    case unavailable(SigstoreService, detail: String, retryAfter: Duration?, answerMayBeLost: Bool)
    /// Our own settings keep us from asking it: plain HTTP, a denied address, a certificate that is not trusted.
    case misconfigured(SigstoreService, detail: String)
    /// The log takes no more entries (405): its successor is in the next signing configuration.
    case logFrozen(log: String, message: String)
    /// Too few of the known witnesses cosigned the log's checkpoint.
    case unwitnessed(have: Int, need: Int)
    /// The log contradicted itself: two of its checkpoints cannot both be true. Nothing is entered in it until an operator
    /// has looked at the evidence and cleared the alarm.
    case logInconsistent(log: String, detail: String)
    /// The log does not have the entry that a signature claims. `treeSize` is that of its newest checkpoint, if it told one.
    case entryNotFound(log: String, entry: String, treeSize: UInt64?)
    /// The log has another entry at that place than the signature brought.
    case entryDiffers(log: String, index: Int64, detail: String)
    /// The service was not asked, to spare it or because it is known to be down.
    case withheld(SigstoreService, Withheld)
    /// The caller was cancelled.
    case cancelled(SigstoreService, answerMayBeLost: Bool)
    /// The service answered something that does not belong to the request, or that cannot be used.
    case badAnswer(SigstoreService, detail: String, answerMayBeLost: Bool)
    /// A new certificate is already outside its validity by our clock.
    case clock(notBefore: Date, notAfter: Date, now: Date)
    /// A document cannot be read: which one (with the path inside it), and why.
    case malformed(String, String)
    /// A regular expression of the caller's cannot be read: what it is to match, and why.
    case pattern(String, PatternFault)
    /// Understood and not supported.
    case unsupported(String)
    /// OpenSSL could not do what was asked.
    case crypto(String, CryptoError)
}

extension SigstoreError {
    /// A stable name for logs, metrics and the API.
    public var code: String {
        switch self {
        case .identity(.missing): "identity.token_missing"
        case .identity(.malformed): "identity.token_malformed"
        case .identity(.expired): "identity.token_expired"
        case .identity(.notYetValid): "identity.token_not_yet_valid"
        case .identity(.audience): "identity.audience"
        case .identity(.issuer): "identity.issuer"
        case .identity(.key): "identity.key"
        case .identity(.program): "identity.program"
        case .refused(let service, _, _): "\(service.rawValue).refused"
        case .throttled(let service, _, _, _): "\(service.rawValue).throttled"
        case .unavailable(let service, _, _, _): "\(service.rawValue).unavailable"
        case .badAnswer(let service, _, _): "\(service.rawValue).bad_answer"
        case .misconfigured(let service, _): "\(service.rawValue).misconfigured"
        case .cancelled(let service, _): "\(service.rawValue).cancelled"
        case .withheld(_, let refusal): refusal.code
        case .logFrozen: "rekor.frozen"
        case .unwitnessed: "rekor.unwitnessed"
        case .logInconsistent: "log.inconsistent"
        case .entryNotFound: "rekor.entry_not_found"
        case .entryDiffers: "rekor.entry_differs"
        case .clock: "identity.clock"
        case .malformed: "sigstore.malformed"
        case .pattern: "sigstore.pattern"
        case .unsupported: "sigstore.unsupported"
        case .crypto: "sigstore.crypto"
        }
    }

    /// The part of signing that stopped: `identity`, `certificate`, `timestamp`, `log` or `document`.
    public var stage: String {
        switch self {
        case .identity, .clock: "identity"
        case .refused(let service, _, _), .throttled(let service, _, _, _), .unavailable(let service, _, _, _),
            .badAnswer(let service, _, _), .misconfigured(let service, _), .cancelled(let service, _),
            .withheld(let service, _):
            switch service {
            case .fulcio: "certificate"
            case .timestampAuthority: "timestamp"
            case .rekor: "log"
            case .identity: "identity"
            }
        case .logFrozen, .unwitnessed, .logInconsistent, .entryNotFound, .entryDiffers: "log"
        case .malformed, .pattern, .unsupported, .crypto: "document"
        }
    }

    /// Whether a later attempt can succeed although nothing changes on our side: tokens rotate, services come back,
    /// a Fulcio that refuses an identity may be configured. Only our own malformed requests and documents are final.
    public var isTransient: Bool {
        switch self {
        case .identity, .throttled, .unavailable, .badAnswer, .clock, .misconfigured, .cancelled, .logFrozen,
            .unwitnessed, .logInconsistent, .withheld:
            true
        case .refused(let service, let status, _):
            service == .fulcio || service == .identity || status == 401 || status == 403
        case .malformed, .pattern, .unsupported, .crypto, .entryNotFound, .entryDiffers: false
        }
    }

    /// How long the service asked us to wait.
    public var retryAfter: Duration? {
        switch self {
        case .throttled(_, _, let after, _), .unavailable(_, _, let after, _): after
        case .withheld(_, let refusal): refusal.after
        default: nil
        }
    }

    /// The request may have taken effect although no usable answer arrived: look before sending anything different.
    public var answerMayBeLost: Bool {
        switch self {
        case .throttled(_, _, _, let lost), .unavailable(_, _, _, let lost), .badAnswer(_, _, let lost),
            .cancelled(_, let lost):
            lost
        default: false
        }
    }
}

extension SigstoreError: CustomStringConvertible {
    /// What was seen, in one line, without secrets; text from outside is cut and cleaned.
    public var observed: String {
        switch self {
        case .identity(.missing(let source, let detail)): "OIDC token error: no identity token in \(source): \(detail)"
        case .identity(.malformed(let detail)): "OIDC token error: the identity token cannot be read: \(detail)"
        case .identity(.expired(let end, let now)):
            "OIDC token error: the identity token expired at \(end.rfc3339); our clock says \(now.rfc3339)"
        case .identity(.notYetValid(let start, let now)):
            "OIDC token error: the identity token is valid from \(start.rfc3339); our clock says \(now.rfc3339)"
        case .identity(.audience(let expected, let seen)):
            "OIDC token error: the identity token is for \(seen.map { "\"\(printable($0, limit: 200))\"" }.joined(separator: ", ")), not for \"\(expected)\""
        case .identity(.issuer(let expected, let seen)):
            "OIDC token error: the identity token is of issuer \"\(printable(seen, limit: 200))\", not of \"\(expected)\""
        case .identity(.key(let detail)): "the signing key cannot be used: \(printable(detail))"
        case .identity(.program(let program, let detail)):
            "OIDC token error: no identity token from \(program): \(printable(detail))"
        case .refused(let service, let status, let message):
            "\(service.rawValue) answered \(status): \(printable(message))"
        case .throttled(let service, let status, let after, _):
            "\(service.rawValue) answered \(status)"
                + (after.map { " and asks to wait \(Int($0 / .seconds(1))) s" } ?? "")
        case .unavailable(let service, let detail, _, let lost):
            "no answer from \(service.rawValue): \(printable(detail))" + (lost ? " (it may have acted)" : "")
        case .misconfigured(let service, let detail): "\(service.rawValue) was not asked: \(printable(detail))"
        case .logFrozen(let log, let message):
            "\(printable(log, limit: 200)) takes no more entries: \(printable(message))"
        case .unwitnessed(let have, let need): "the log's checkpoint has \(have) of \(need) witness cosignatures"
        case .logInconsistent(let log, let detail): "\(printable(log, limit: 200)): \(printable(detail))"
        case .entryNotFound(let log, let entry, let size):
            "Rekor entry not found: \(printable(entry, limit: 200)) in \(printable(log, limit: 200))"
                + (size.map { ", whose newest checkpoint has \($0) entries" } ?? "")
        case .entryDiffers(let log, let index, let detail):
            "\(printable(log, limit: 200)) has another entry at index \(index): \(printable(detail))"
        case .cancelled(let service, _): "the request to \(service.rawValue) was cancelled"
        case .withheld(_, let refusal): refusal.observed
        case .badAnswer(let service, let detail, _): "\(service.rawValue) gave an unusable answer: \(printable(detail))"
        case .clock(let start, let end, let now):
            "a new certificate is valid from \(start.rfc3339) to \(end.rfc3339); our clock says \(now.rfc3339)"
        case .malformed(let what, let why): "\(what): \(printable(why))"
        case .pattern(let what, let fault): "\(what): not a regular expression: \(printable("\(fault)"))"
        case .unsupported(let what): "not supported: \(printable(what))"
        case .crypto(let what, let error): "\(what): \(error)"
        }
    }

    /// What an operator can do about it.
    public var fix: String {
        switch self {
        case .identity(.missing): "see that the token file is mounted (or the variable set) and readable by this user"
        case .identity(.malformed): "see that the source holds one compact JWT and nothing else"
        case .identity(.expired):
            "see that whoever writes the token still renews it, and that this machine's clock is right"
        case .identity(.notYetValid), .clock: "compare this machine's clock with the issuer's and Fulcio's"
        case .identity(.issuer):
            "see that the token source is the right one, or correct the issuer in the configuration"
        case .identity(.key): "give a PEM private key (P-256 is best) or one of cosign's, with its password"
        case .identity(.program): "run the program by hand as this user: it must print one token and end with status 0"
        case .identity(.audience): "request the token with the audience that Fulcio is configured for"
        case .refused(.fulcio, _, _):
            "compare the token's issuer with Fulcio's /api/v2/configuration, and Fulcio's clock with ours"
        case .refused(.identity, _, _):
            "see that this workload may ask for tokens there, and that audience, account and credentials are right"
        case .refused(.timestampAuthority, _, _): "see that the URL is the authority's full timestamp URL"
        case .refused(.rekor, _, _):
            "see that the log's version is the configured one and that it takes entries of this kind"
        case .throttled: "nothing: it is tried again; lower the worker's concurrency if it persists"
        case .unavailable(let service, _, _, _): "see that \(service.rawValue) is up and reachable from here"
        case .misconfigured(.identity, _):
            "see what the text above names: url, ca_file, private_network and plain_http of the token source"
        case .misconfigured(.rekor, _):
            "see url, ca_file, private_network and plain_http of rekor in the configuration; of `countersign log` --ca-file, "
                + "--private-network and --plain-http, of `verify` the same with --log-, as --log-plain-http"
        case .misconfigured(let service, _):
            "see url, ca_file, private_network and plain_http of \(service.rawValue) in the configuration"
        case .logFrozen: "see that the signing configuration, or sigstore.logs, names the log's successor"
        case .unwitnessed: "see that the log's witnesses are up and that their keys in the configuration are current"
        case .logInconsistent:
            "keep both checkpoints as evidence, ask the log's operator, and clear the alarm when it is explained"
        case .entryNotFound:
            "see that the log is the one that the signature names (its id, its URL, its shard); a log that had the entry "
                + "once and has lost it is broken or lies: ask its operator, and sign the artifact again"
        case .entryDiffers: "believe neither until it is explained: keep the signature, and ask the log's operator"
        case .cancelled: "nothing: it is tried again"
        case .withheld(let service, _): "see that \(service.rawValue) is up; it is asked again by itself"
        case .badAnswer(let service, _, _): "see that the URL configured for \(service.rawValue) is that service"
        case .malformed(let what, _): "replace \(what) by a document of the named format"
        case .pattern(_, let fault): fault.fix
        case .unsupported, .crypto: "report this with the text above"
        }
    }

    public var description: String { "\(code): \(observed)" }
}
