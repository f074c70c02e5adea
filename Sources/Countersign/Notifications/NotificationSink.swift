import Curl
import FailPoints
import FoundationEssentials
import StrictJSON

/// What one exchange with a receiver ended with.
enum NotificationOutcome: Sendable {
    /// 2xx.
    case taken
    /// 410: it wants no more of them.
    case unwanted(Failure)
    /// No answer, or another one.
    case failed(Failure, retryAfter: Duration?)
}

extension NotificationDelivery {
    /// The most of an answer that is read; only its status counts.
    private static let maxAnswerBytes = 64 << 10

    /// One POST. A receiver's answer is never followed to another place: the signature is for this one.
    func deliver(_ event: CloudEvent, to sink: NotificationConfiguration.Sink) async -> NotificationOutcome {
        var route = sink.upstream.route
        route.maxResponseBytes = Self.maxAnswerBytes
        let body = event.body
        var headers: HTTPHeaders = ["Content-Type": CloudEvent.mediaType]
        for (name, value) in event.proof(of: body, by: sink.secrets, at: Date()) { headers[name] = value }
        do throws(HTTPError) {
            try FailPoint.notify.before(HTTPError.injected)
            let answer = try await http.send(
                HTTPRequest(.post, sink.upstream.url, headers: headers, body: body, route: route))
            try FailPoint.notify.after(HTTPError.injected)
            switch answer.status {
            case 200..<300: return .taken
            case 410:
                return .unwanted(
                    Self.failure("notification.gone", "HTTP 410", "take the sink out of the configuration"))
            default:
                let code =
                    answer.status == 401 || answer.status == 403 ? "notification.unauthorized" : "notification.refused"
                return .failed(
                    Self.failure(
                        code, "HTTP \(answer.status)", "look at the receiver's log; nothing is lost while it is tried"),
                    retryAfter: answer.retryAfter)
            }
        } catch {
            return .failed(
                Self.failure(
                    "notification.unreachable", error.code,
                    "see that the receiver can be reached from here"),
                retryAfter: nil)
        }
    }

    private static func failure(_ code: String, _ observed: String, _ fix: String) -> Failure {
        Failure(code: code, stage: "notify", observed: observed, fix: fix)
    }
}

extension NotificationConfiguration.Sink {
    /// Whether it is about a repository of this receiver. Its type was asked for when it was stored.
    func wants(_ event: CloudEvent) -> Bool {
        guard !repositories.isEmpty, let repository = event.data["repository"]?.text else { return true }
        return repositories.contains { $0.matches(repository) }
    }

    /// Full jitter, doubling: `attempts` deliveries have failed.
    func delay(after attempts: Int) -> Duration {
        let doubled = retryBase * Double(1 << min(max(attempts - 1, 0), 30))
        return min(doubled, retryCeiling) * Double.random(in: 0.5..<1)
    }
}
