import FoundationEssentials
import HTTPTypes

/// `/lab/*` on every port: what tests and scripts do to a lab while it runs.
///
/// ```
/// GET|POST|DELETE /lab/faults                        faults of the service on this port
/// POST /lab/rotate {"material":"rekor2"}             fulcio, ct, rekor, rekor2 or tsa: a new key, the old one closed
/// POST /lab/freeze                                   the current shard of Rekor v2 takes nothing more
/// ```
struct AdminDoor: Sendable {
    static let path = "/lab/"
    let board: FaultBoard
    let service: LabService
    let admin: LabAdmin

    func answer(_ request: LabRequest) async -> Answer {
        do {
            switch (request.method, request.path) {
            case (_, FaultDoor.path): return FaultDoor(board: board, service: service).answer(request)
            case (.post, "/lab/rotate"):
                let form = try JSONDecoder().decode(Rotation.self, from: Data(request.body))
                try await admin.rotate(form.material)
                return .json(["rotated": form.material])
            case (.post, "/lab/freeze"):
                try await admin.freeze()
                return .json(["frozen": true])
            default: return Answer(.notFound)
            }
        } catch is DecodingError {
            return .json(["error": "not understood: see AdminDoor"], status: .badRequest)
        } catch {
            return .json(["error": "\(error)"], status: .internalServerError)
        }
    }

    private struct Rotation: Decodable { let material: LabMaterial }
}
