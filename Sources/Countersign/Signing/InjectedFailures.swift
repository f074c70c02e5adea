import Curl
import FailPoints
import Postgres
import Sigstore

// How a fail point's fault looks to whoever waits for the step: as the failures of the service that does it.

extension QueueError {
    static func injected(_ fault: InjectedFault) -> QueueError {
        switch fault {
        case .error: .database(.unavailable(reason: ""))
        case .answerLost: .database(.commitUnknown(reason: ""))
        }
    }
}

extension HTTPError {
    static func injected(_ fault: InjectedFault) -> HTTPError { .interrupted(url: "", detail: "") }
}

extension SigningStage {
    /// The point that a stage is.
    var failPoint: FailPoint {
        switch self {
        case .authorise: .authorise
        case .fetch: .fetch
        case .adopt: .adopt
        case .certificate: .certificate
        case .sign: .sign
        case .timestamp: .timestamp
        case .prepare: .prepare
        case .log: .log
        case .verify: .verify
        case .publish: .publish
        case .readBack: .readBack
        case .resolve: .resolve
        }
    }

    func injected(_ fault: InjectedFault) -> any Error {
        let service: SigstoreService? =
            switch self {
            case .certificate: .fulcio
            case .timestamp: .timestampAuthority
            case .log: .rekor
            default: nil
            }
        guard let service else { return QueueError.injected(fault) }
        return SigstoreError.unavailable(service, detail: "", retryAfter: nil, answerMayBeLost: true)
    }
}
