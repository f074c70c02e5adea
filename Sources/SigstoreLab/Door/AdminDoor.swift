import FoundationEssentials
import HTTPTypes

/// `/lab/*` on every port: what tests and scripts do to a lab while it runs.
///
/// ```
/// GET|POST|DELETE /lab/faults                        faults of the service on this port
/// POST /lab/rotate {"material":"rekor2"}             fulcio, ct, rekor, rekor2 or tsa: a new key, the old one closed
/// POST /lab/freeze                                   the current shard of Rekor v2 takes nothing more
/// POST /lab/tuf {"change":"rotate_root"}             or rotate_keys, roll_back, republish,
///      {"change":"expire","roles":["timestamp"]}     expiry of these roles in the past; no roles: all renewed
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
            case (.post, "/lab/tuf"):
                let form = try JSONDecoder().decode(RepositoryForm.self, from: Data(request.body))
                try await admin.change(try form.repositoryChange())
                return .json(["changed": form.change])
            default: return Answer(.notFound)
            }
        } catch is DecodingError {
            return .json(["error": "not understood: see AdminDoor"], status: .badRequest)
        } catch LabError.configuration(let reason) {
            return .json(["error": reason], status: .badRequest)
        } catch {
            return .json(["error": "\(error)"], status: .internalServerError)
        }
    }

    private struct Rotation: Decodable { let material: LabMaterial }

    private struct RepositoryForm: Decodable {
        let change: String
        let roles: [String]?

        func repositoryChange() throws(LabError) -> RepositoryChange {
            switch change {
            case "rotate_root": return .rotateRoot
            case "rotate_keys": return .rotateKeys
            case "roll_back": return .rollBack
            case "republish": return .republish
            case "expire":
                let roles = roles ?? []
                guard roles.allSatisfy({ MetadataRole(rawValue: $0) != nil }) else {
                    throw LabError.configuration("roles are root, targets, snapshot and timestamp")
                }
                return .expire(roles)
            default: throw LabError.configuration("no change \"\(change)\"")
            }
        }
    }
}
