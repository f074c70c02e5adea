/// Why trust material cannot be used, or a rotation of it cannot be followed.
package enum TrustError: Error, Sendable, Equatable {
    /// Not there, or not a document of its format.
    case unreadable(origin: String, String)
    /// A lab's keys are worth nothing.
    case lab(origin: String)

    /// Stable, for logs, metrics and `doctor`.
    package var code: String {
        switch self {
        case .unreadable: "trust.unreadable"
        case .lab: "trust.lab"
        }
    }

    package var observed: String {
        switch self {
        case .unreadable(let origin, let why): "\(origin): \(why)"
        case .lab(let origin): "\(origin) belongs to a Sigstore lab; its signatures prove nothing"
        }
    }

    package var fix: String {
        switch self {
        case .unreadable: "set sigstore.trusted_root to the trusted_root.json of your Sigstore instance"
        case .lab: "use a real trusted root; or, for trials only, set environment: development"
        }
    }
}

extension TrustError: CustomStringConvertible {
    package var description: String { "\(code): \(observed)" }
}
