package import Curl
package import StrictJSON

/// One `POST` of a sender, as it came, or as its sender would make it.
package struct Delivery: Sendable {
    /// Its header fields: some senders say there what happened.
    package var head: HTTPHeaders
    /// The bytes as they were sent: what a code over the body was made of.
    package var body: [UInt8]

    package init(head: HTTPHeaders = [:], body: [UInt8]) {
        self.head = head
        self.body = body
    }

    /// The body of a sender that writes JSON.
    /// - Throws: `IntakeError.malformed` if it is none, with what is wrong.
    package func document() throws(IntakeError) -> JSONValue {
        do { return try JSONValue(parsing: body) } catch { throw .malformed("not JSON: \(error)") }
    }
}
