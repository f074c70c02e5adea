package import Curl
package import Sigstore

/// What the end of one use says about the dependency. Only what is its own fault counts: a request that it refuses, a
/// manifest that it does not have and a wrong setting of ours say nothing.
package struct DependencyVerdict: Sendable, Equatable {
    /// Why it counts as a failure; nil: it answered.
    package var code: String?
    /// It was asked for more than it gives.
    package var isTooMuch = false
    /// How long it asks to wait.
    package var pause: Duration?
    private var isNeutral = false

    package static let answered = DependencyVerdict()
    package static let neutral = DependencyVerdict(isNeutral: true)

    package static func failed(_ code: String, isTooMuch: Bool = false, pause: Duration? = nil) -> DependencyVerdict {
        DependencyVerdict(code: code, isTooMuch: isTooMuch, pause: pause)
    }

    private init(code: String? = nil, isTooMuch: Bool = false, pause: Duration? = nil, isNeutral: Bool = false) {
        self.code = code
        self.isTooMuch = isTooMuch
        self.pause = pause
        self.isNeutral = isNeutral
    }

    package init(_ end: HTTPRequestEnd) {
        switch end {
        case .answered(429, let pause): self = .failed("http.429", isTooMuch: true, pause: pause)
        case .answered(let status, let pause) where status >= 500 || status == 408:
            self = .failed("http.\(status)", pause: pause)
        case .answered: self = .answered
        case .failed(let error):
            switch error {
            case .unresolved, .unreachable, .untrusted, .timedOut, .interrupted: self = .failed(error.code)
            case .invalidRequest, .plainHTTPRefused, .addressDenied, .bodyTooLarge, .headersTooLarge, .redirectRefused,
                .cancelled, .shutDown, .engine, .withheld:
                self = .neutral
            }
        }
    }

    /// Of a source of identity tokens, which need not be a service.
    package init(_ error: SigstoreError) {
        switch error {
        case .throttled: self = .failed(error.code, isTooMuch: true, pause: error.retryAfter)
        case .unavailable, .badAnswer, .identity(.missing), .identity(.program): self = .failed(error.code)
        default: self = .neutral
        }
    }
}
