package import Curl
import OpenSSL

/// How a delivery shows that its sender has the endpoint's secret: one header field does.
///
/// A dialect only says which; what was shown is compared here, for every dialect in constant time and with every active
/// secret. Neither the place of the first difference nor which of the secrets matched can be measured.
package enum DeliveryProof: Sendable {
    /// The field is the secret, whole: judged before anything of the body is read.
    case secret(in: String)
    /// The field is a code that was made with the secret: judged once the body is there, before it is parsed.
    case code(in: String, made: Code)

    /// What the field is for a delivery whose sender has that key. It must be made of the whole body.
    package typealias Code = @Sendable (_ key: [UInt8], _ delivery: Delivery) -> String

    /// The header field.
    package var field: String {
        switch self {
        case .secret(let field), .code(let field, _): field
        }
    }

    /// What the endpoint's secret is, for who configures it.
    package var secretMeaning: String {
        switch self {
        case .secret: "what the \(field) header must be"
        case .code: "the key of what the \(field) header must be"
        }
    }

    /// Judges a head before its body is read. A code cannot be judged yet, but it has to be there.
    /// - Parameter secrets: the active ones; an empty one is none.
    /// - Throws: `IntakeError.unauthorized`.
    package func check(_ head: HTTPHeaders, _ secrets: [[UInt8]]) throws(IntakeError) {
        let shown = try shown(in: head)
        switch self {
        case .secret: try match(shown, secrets) { $0 }
        case .code: break
        }
    }

    /// Judges what the head could not show alone.
    /// - Parameter secrets: the active ones; an empty one is none.
    /// - Throws: `IntakeError.unauthorized`.
    package func check(_ delivery: Delivery, _ secrets: [[UInt8]]) throws(IntakeError) {
        let shown = try shown(in: delivery.head)
        switch self {
        case .secret: break
        case .code(_, let code): try match(shown, secrets) { Array(code($0, delivery).utf8) }
        }
    }

    /// The delivery as a sender with that secret sends it.
    package func proving(_ delivery: Delivery, with secret: Secret) -> Delivery {
        var proven = delivery
        switch self {
        case .secret: proven.head[field] = secret.exposed
        case .code(_, let code): proven.head[field] = code(Array(secret.exposed.utf8), delivery)
        }
        return proven
    }

    /// The field; one that is there twice shows nothing.
    private func shown(in head: HTTPHeaders) throws(IntakeError) -> [UInt8] {
        let values = head.values(of: field)
        guard let value = values.first, values.count == 1 else { throw refusal }
        return Array(value.utf8)
    }

    /// Goes through all the secrets, also after one matched.
    private func match(
        _ shown: [UInt8], _ secrets: [[UInt8]], _ expected: ([UInt8]) -> [UInt8]
    ) throws(IntakeError) {
        var matches = false
        for secret in secrets where !secret.isEmpty {
            if constantTimeEqual(shown, expected(secret)) { matches = true }
        }
        guard matches else { throw refusal }
    }

    private var refusal: IntakeError {
        switch self {
        case .secret: .unauthorized("the \(field) header is missing or not the endpoint's secret")
        case .code: .unauthorized("the \(field) header is missing or not made of this body with the endpoint's secret")
        }
    }
}
