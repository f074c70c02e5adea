/// Why a lab could not start or go on.
package enum LabError: Error, Sendable, CustomStringConvertible {
    /// A setting that cannot be used.
    case configuration(String)
    /// The folder, a key or a log in it cannot be read or written.
    case storage(path: String, reason: String)
    /// A port could not be listened on, or the lab ended before it had started.
    case notStarted(String)
    /// A token was asked for with claims that its issuer cannot give.
    case token(String)

    /// Stable code for logs and exit messages.
    package var code: String {
        switch self {
        case .configuration: "lab.configuration"
        case .storage: "lab.storage"
        case .notStarted: "lab.not_started"
        case .token: "lab.token"
        }
    }

    /// What was seen, for people.
    package var description: String {
        switch self {
        case .configuration(let reason): "lab configuration: \(reason)"
        case .storage(let path, let reason): "lab storage: \(path): \(reason)"
        case .notStarted(let reason): "lab did not start: \(reason)"
        case .token(let reason): "lab token: \(reason)"
        }
    }
}
