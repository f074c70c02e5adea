import FoundationEssentials
import HTTPTypes

/// `/lab/faults` on every port: `GET` shows the faults of that service, `POST` adds one, `DELETE` ends them all.
///
/// ```
/// {"kind":"delay","seconds":2,"count":3}          {"kind":"status","status":429,"retry_after":5}
/// {"kind":"drop","path":"/api/v1/log/entries"}    {"kind":"clock","seconds":-3600}    {"kind":"refuse_token"}
/// {"kind":"bad_set"}  {"kind":"bad_proof"}  {"kind":"bad_checkpoint"}  {"kind":"no_sct"}  {"kind":"wrong_identity"}
/// {"kind":"wrong_imprint"}  {"kind":"no_partial_tiles"}
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
