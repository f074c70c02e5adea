import StrictJSON

@testable import Countersign

/// A document as the OpenAPI document describes it, with every member that it names, and with what only a newer daemon says.
struct DescribedExample {
    /// Whether what is one of a few words is one that this version has never heard of.
    let isNewer: Bool

    func value(of schema: Schema) -> JSONValue { value(of: .object(schema.json), schema.definitions) }

    private func value(of schema: JSONValue, _ definitions: [String: JSONObject]) -> JSONValue {
        if let reference = schema["$ref"]?.text, let name = reference.split(separator: "/").last {
            return definitions[String(name)].map { value(of: .object($0), definitions) } ?? .null
        }
        if case .array(let forms)? = schema["anyOf"] { return value(of: forms[0], definitions) }
        if case .array(let words)? = schema["enum"] { return isNewer ? .string("unheard_of") : words[0] }
        switch schema["type"]?.text {
        case "object":
            if let element = schema["additionalProperties"] {
                return .object(["word": value(of: element, definitions)])
            }
            guard case .object(let properties)? = schema["properties"] else { return .object([:]) }
            let members = properties.members.map { JSONObject.Member($0.name, value(of: $0.value, definitions)) }
            return .object(JSONObject(members + [JSONObject.Member("said_later", .bool(true))]))
        case "array": return .array([schema["items"].map { value(of: $0, definitions) } ?? .null])
        case "string": return .string(schema["format"] == nil ? "text" : "2026-01-02T15:04:05.678Z")
        case "integer": return .integer(7)
        case "number": return .number("12.5")
        case "boolean": return .bool(true)
        default: return .object(["camelCase": .array([.null, .integer(9_007_199_254_740_993)])])
        }
    }
}
