import FoundationEssentials
import HTTPTypes

/// Names in a JSON object, as they come.
struct FieldName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// A field that the message does not have; strict servers (Rekor v2) refuse it, lenient ones (Fulcio) never look.
struct UnknownField: Error {
    let name: String
}

extension Decoder {
    /// A protobuf JSON field in camel case or snake case (protobuf JSON mapping: parsers accept both).
    func field<T: Decodable>(_ name: String) throws -> T? {
        let container = try container(keyedBy: FieldName.self)
        let found = try container.decodeIfPresent(T.self, forKey: FieldName(name))
        return try found ?? container.decodeIfPresent(T.self, forKey: FieldName(name.snakeCase))
    }

    /// - Throws: ``UnknownField`` for the first field that is none of these.
    func requireOnly(_ names: String...) throws {
        let known = Set(names + names.map(\.snakeCase))
        let container = try container(keyedBy: FieldName.self)
        if let unknown = container.allKeys.map(\.stringValue).sorted().first(where: { !known.contains($0) }) {
            throw UnknownField(name: unknown)
        }
    }
}

extension String {
    fileprivate var snakeCase: String {
        reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }
}

extension Answer {
    /// An error as grpc-gateway writes it: the status's number, its message, blanks after the first commas.
    static func gateway(_ code: Int, _ message: String, status: HTTPResponse.Status = .badRequest) -> Answer {
        let text = #"{"code":\#(code), "message":\#(quoted(message)), "details":[]}"#
        return .text(text, type: "application/json", status: status)
    }

    /// A JSON string.
    static func quoted(_ text: String) -> String {
        (try? canonicalJSON(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
