import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// One request to a service of the lab, its body already read.
struct LabRequest: Sendable {
    let method: HTTPRequest.Method
    let path: String
    let query: [String: String]
    let headers: HTTPFields
    let body: [UInt8]
    /// The service's clock when the request came; wrong if a fault says so.
    let now: Date
    /// A fault: Fulcio must refuse the identity token.
    let refusesToken: Bool
    /// Faults: how the answer must be wrong.
    let distortions: Set<Fault.Distortion>

    /// The media type without its parameters, in lower case.
    var contentType: String {
        let field = headers[.contentType] ?? ""
        let type = field.split(separator: ";", maxSplits: 1).first.map(String.init) ?? ""
        return type.filter { !$0.isWhitespace }.lowercased()
    }
}

/// What a service answers.
struct Answer: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: [UInt8]

    init(_ status: HTTPResponse.Status, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A text body of the given media type.
    static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Answer {
        Answer(status, headers: [.contentType: type], body: Array(text.utf8))
    }

    /// A JSON body; `newline` ends it as Go's `json.Encoder` does.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, newline: Bool = false) -> Answer {
        guard let body = try? canonicalJSON(value) else { return Answer(.internalServerError) }
        return Answer(status, headers: [.contentType: "application/json"], body: newline ? body + [0x0A] : body)
    }

    var response: Response {
        var headers = headers
        headers[.labNotice] = "not for production"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension HTTPField.Name {
    /// Faults of one request.
    static var labFault: Self { HTTPField.Name(FaultForm.header) ?? .expect }

    /// On every answer of the lab, so that nobody takes it for the real thing.
    static var labNotice: Self { HTTPField.Name("X-Countersign-Lab") ?? .server }
}

/// JSON with sorted keys, without white space and without escaped slashes: RFC 8785 for the ASCII the lab writes.
func canonicalJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
}
