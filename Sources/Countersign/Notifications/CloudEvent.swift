package import FoundationEssentials
import OpenSSL
package import StrictJSON

/// One event as a receiver gets it: a CloudEvents 1.0 document in structured mode (JSON format §3), signed in the form of
/// Standard Webhooks 1.0, which receivers have libraries for.
package struct CloudEvent: Sendable, Equatable {
    /// The same at every delivery (CloudEvents §3.1): how a receiver knows a repetition.
    package let id: UUID
    /// Which installation says so.
    package let source: String
    /// `dev.countersign.artifact.signed` and so on.
    package let type: String
    /// The artifact, `registry/repository@digest`, or the tag, `registry/repository:tag`; for other events what they are about.
    package let subject: String
    /// When it became true, by the database's clock.
    package let time: Date
    /// The facts, a JSON object as the database rendered it.
    package let data: JSONValue

    package static let mediaType = "application/cloudevents+json; charset=utf-8"

    /// The document that is sent.
    package var body: [UInt8] {
        let document: JSONObject = [
            "specversion": .string("1.0"), "id": .string(id.text), "source": .string(source), "type": .string(type),
            "subject": .string(subject), "time": .string(time.formatted(Self.precise)),
            "datacontenttype": .string("application/json"), "data": data,
        ]
        return JSONValue.object(document).encoded()
    }

    private static let precise = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// The headers that prove who sent `body` and when: `webhook-id`, `webhook-timestamp`, and a signature for each secret.
    /// - Parameter moment: of this delivery; receivers refuse old ones, so that a recorded one cannot be sent again.
    package func proof(
        of body: [UInt8], by secrets: [Secret], at moment: Date
    ) -> [(name: String, value: String)] {
        let timestamp = Int(moment.timeIntervalSince1970)
        let signatures = secrets.map { Self.signature(id: id.text, timestamp: timestamp, body: body, secret: $0) }
        return [
            ("webhook-id", id.text), ("webhook-timestamp", "\(timestamp)"),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }

    /// `v1,base64(HMAC-SHA-256(id.timestamp.body))`. The key is the secret's text, or the bytes that a secret of the form
    /// `whsec_<base64>` stands for.
    static func signature(id: String, timestamp: Int, body: [UInt8], secret: Secret) -> String {
        let text = secret.exposed
        let prefix = "whsec_"
        let serialized = text.hasPrefix(prefix) ? Base64.decode(String(text.dropFirst(prefix.count))) : nil
        let message = Array("\(id).\(timestamp).".utf8) + body
        return "v1," + Base64.encode(HMAC.sha256(key: serialized ?? Array(text.utf8), message: message))
    }
}

extension UUID {
    fileprivate var text: String { uuidString.lowercased() }
}
