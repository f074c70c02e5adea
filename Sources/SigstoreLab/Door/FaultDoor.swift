import FoundationEssentials
import HTTPTypes

/// `/lab/faults` on every port: `GET` shows the faults of that service, `POST` adds one, `DELETE` ends them all.
///
/// ```
/// {"kind":"delay","seconds":2,"count":3}          {"kind":"status","status":429,"retry_after":5}
/// {"kind":"drop","path":"/api/v1/log/entries"}    {"kind":"clock","seconds":-3600}    {"kind":"refuse_token"}
/// ```
struct FaultDoor: Sendable {
    static let path = "/lab/faults"
    let board: FaultBoard
    let service: LabService

    func answer(_ request: LabRequest) -> Answer {
        switch request.method {
        case .get:
            return listing()
        case .delete:
            board.clear(service)
            return listing()
        case .post:
            do {
                let form = try JSONDecoder().decode(FaultForm.self, from: Data(request.body))
                board.set(try form.fault(), for: service)
                return listing()
            } catch {
                return .json(["error": "not a fault: \(error)"], status: .badRequest)
            }
        default:
            return .json(["error": "GET, POST or DELETE"], status: .methodNotAllowed)
        }
    }

    private func listing() -> Answer {
        .json(Listing(service: service, faults: board.active(service).map(FaultForm.init)))
    }

    private struct Listing: Encodable {
        let service: LabService
        let faults: [FaultForm]
    }
}

/// A fault as JSON.
struct FaultForm: Codable {
    enum Kind: String, Codable { case delay, status, drop, clock, refuseToken = "refuse_token" }

    let kind: Kind
    var seconds: Double?
    var status: Int?
    var retryAfter: Int?
    var path: String?
    var count: Int?

    enum CodingKeys: String, CodingKey {
        case kind, seconds, status, path, count
        case retryAfter = "retry_after"
    }

    init(_ fault: Fault) {
        path = fault.path
        count = fault.remaining
        switch fault.effect {
        case .delay(let duration): (kind, seconds) = (.delay, duration / .seconds(1))
        case .clockOffset(let offset): (kind, seconds) = (.clock, offset / .seconds(1))
        case .status(let code, let after): (kind, status, retryAfter) = (.status, code, after)
        case .dropAnswer: kind = .drop
        case .refuseToken: kind = .refuseToken
        }
    }

    func fault() throws(LabError) -> Fault {
        if let count, count < 1 { throw LabError.configuration("count must be at least 1") }
        return Fault(try effect(), path: path, count: count)
    }

    private func effect() throws(LabError) -> Fault.Effect {
        switch kind {
        case .drop: return .dropAnswer
        case .refuseToken: return .refuseToken
        case .status:
            guard let status, (400...599).contains(status) else {
                throw LabError.configuration("status must be between 400 and 599")
            }
            return .status(status, retryAfter: retryAfter)
        case .delay, .clock:
            guard let seconds, seconds.isFinite, abs(seconds) <= 10 * 365 * 86_400 else {
                throw LabError.configuration("seconds is missing or out of range")
            }
            guard kind == .delay else { return .clockOffset(.seconds(seconds)) }
            guard seconds >= 0 else { throw LabError.configuration("a delay cannot be negative") }
            return .delay(.seconds(seconds))
        }
    }
}
