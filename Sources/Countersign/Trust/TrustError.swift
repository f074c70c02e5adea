package import FoundationEssentials
package import TUF

/// Why trust material cannot be used, or a rotation of it cannot be followed.
package enum TrustError: Error, Sendable, Equatable {
    /// Not there, or not a document of its format.
    case unreadable(origin: String, String)
    /// A lab's keys are worth nothing.
    case lab(origin: String)
    /// The TUF repository could not be followed.
    case repository(origin: String, TUFError)
    /// Nothing vouches for the material any more: no news came for too long.
    case expired(origin: String, role: String, at: Date)
    /// The signing configuration names no service that we could use.
    case noService(String)
    /// A rule of the policy cannot be signed with the services there are.
    case unsignable(rule: String, String)
    /// The signing configuration wants more of a kind for each signature than it may have.
    case several(String, wanted: Int, atMost: Int)
    /// A service of the signing configuration writes to a public log.
    case publicLog(String)

    /// Stable, for logs, metrics and `doctor`.
    package var code: String {
        switch self {
        case .unreadable: "trust.unreadable"
        case .lab: "trust.lab"
        case .repository(_, let error): error.code
        case .expired: "trust.expired"
        case .noService: "trust.no_service"
        case .unsignable: "trust.rule_unsignable"
        case .several: "trust.several_services"
        case .publicLog: "trust.public_log"
        }
    }

    package var observed: String {
        switch self {
        case .unreadable(let origin, let why): "\(origin): \(why)"
        case .lab(let origin): "\(origin) belongs to a Sigstore lab; its signatures prove nothing"
        case .repository(let origin, let error): "\(origin): \(error.observed)"
        case .expired(let origin, let role, let end):
            "\(origin): \(role) expired at \(end.formatted(.iso8601)) and no newer one could be had"
        case .noService(let why): why
        case .unsignable(let rule, let why): "the policy's rule '\(rule)' \(why)"
        case .several(let kind, let wanted, let most):
            "the signing configuration wants \(wanted) \(kind) for each signature; it may have \(most)"
        case .publicLog(let host):
            "\(host), which the signing configuration names, writes to a public log: names of repositories and identities "
                + "become public for ever"
        }
    }

    package var fix: String {
        switch self {
        case .unreadable: "give the documents of your Sigstore instance: see sigstore.trusted_root"
        case .lab: "use a real trusted root; or, for trials only, set environment: development"
        case .repository(_, let error): error.fix
        case .expired: "see that the TUF repository can be reached, and this machine's clock"
        case .noService: "name the service under sigstore, or use the instance's current signing configuration"
        case .unsignable: "name the service under sigstore, give the identity another key, or change the rule"
        case .several:
            "name the one that is to be used under sigstore (logs, timestamp_authority), or have the instance select fewer"
        case .publicLog: "set sigstore.public_log: acknowledged if that is meant"
        }
    }

    /// Whether a later look can succeed although nobody changes anything.
    package var isTransient: Bool {
        if case .repository(_, let error) = self { error.isTransient } else { false }
    }
}

extension TrustError: CustomStringConvertible {
    package var description: String { "\(code): \(observed)" }
}
