/// Why a delivery is not taken. Each is counted by endpoint and `code`.
package enum IntakeError: Error, Sendable, Equatable {
    case unknownEndpoint
    case tooLarge(limit: Int)
    /// The body did not arrive whole.
    case interrupted
    /// The sender does not show the endpoint's secret; in which header it should.
    case unauthorized(String)
    case malformed(String)
    case tooManyEvents(Int, limit: Int)
    /// The commit could not be made; the sender should come again.
    case unavailable(code: String)

    package var code: String {
        switch self {
        case .unknownEndpoint: "intake.unknown_endpoint"
        case .tooLarge: "intake.too_large"
        case .interrupted: "intake.interrupted"
        case .unauthorized: "intake.unauthorized"
        case .malformed: "intake.malformed"
        case .tooManyEvents: "intake.too_many_events"
        case .unavailable: "intake.unavailable"
        }
    }

    /// Why a delivery to an endpoint that there is may not be taken.
    static let codesOfEndpoints = [
        Self.tooLarge(limit: 0), .interrupted, .unauthorized(""), .malformed(""), .tooManyEvents(0, limit: 0),
        .unavailable(code: ""),
    ].map(\.code)
}

extension IntakeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownEndpoint: "no endpoint of that name is configured"
        case .tooLarge(let limit): "the body is larger than \(limit) bytes"
        case .interrupted: "the body did not arrive whole"
        case .unauthorized(let reason), .malformed(let reason): reason
        case .tooManyEvents(let count, let limit): "\(count) events in one delivery; at most \(limit) are taken"
        case .unavailable: "the delivery cannot be stored now"
        }
    }
}
