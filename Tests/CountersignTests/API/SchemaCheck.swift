import FoundationEssentials
import StrictJSON

/// As much of JSON Schema 2020-12 as our OpenAPI document uses. A keyword that it does not know is a fault, and so is a
/// member that no schema names: an answer must not say more than is described.
struct SchemaCheck {
    let document: JSONValue

    /// What is wrong with the value; empty if it is as described.
    func faults(_ value: JSONValue, _ schema: JSONValue, at place: String = "$", isClosed: Bool = true) -> [String] {
        guard case .object(let keywords) = schema else { return ["\(place): the schema is no object"] }
        return keywords.members.flatMap { keyword in
            faults(value, keyword.name, keyword.value, keywords, place, isClosed)
        }
    }

    private func faults(
        _ value: JSONValue, _ keyword: String, _ expected: JSONValue, _ schema: JSONObject, _ place: String,
        _ isClosed: Bool
    ) -> [String] {
        switch (keyword, value) {
        case ("description", _), ("additionalProperties", _): return []
        case ("$ref", _): return faults(value, definition(expected.text ?? ""), at: place, isClosed: isClosed)
        case ("allOf", _):
            guard case .array(let parts) = expected else { return ["\(place): allOf is no list"] }
            return parts.flatMap { faults(value, $0, at: place, isClosed: false) }
        case ("anyOf", _):
            guard case .array(let forms) = expected else { return ["\(place): anyOf is no list"] }
            let found = forms.map { faults(value, $0, at: place, isClosed: isClosed) }
            return found.contains(where: \.isEmpty) ? [] : ["\(place): fits no form"] + found.flatMap(\.self)
        case ("type", _): return value.isOf(expected.text ?? "") ? [] : ["\(place): is no \(expected.text ?? "")"]
        case ("enum", _):
            guard case .array(let words) = expected else { return ["\(place): enum is no list"] }
            return words.contains(value) ? [] : ["\(place): \(value) is not among \(words.compactMap(\.text))"]
        case ("required", .object(let object)):
            guard case .array(let names) = expected else { return ["\(place): required is no list"] }
            return names.compactMap(\.text).filter { object[$0] == nil }.map { "\(place): lacks \($0)" }
        case ("properties", .object(let object)):
            return object.members.flatMap { member in
                if let known = expected[member.name] {
                    return faults(member.value, known, at: "\(place).\(member.name)")
                }
                return isClosed ? ["\(place): says '\(member.name)', which is not described"] : []
            }
        case ("items", .array(let elements)):
            return elements.enumerated().flatMap { faults($1, expected, at: "\(place)[\($0)]") }
        case ("minimum", _): return (value.integer ?? .min) >= (expected.integer ?? 0) ? [] : ["\(place): too small"]
        case ("maximum", _): return (value.integer ?? .max) <= (expected.integer ?? 0) ? [] : ["\(place): too large"]
        case ("pattern", .string(let text)):
            guard let pattern = try? Regex(expected.text ?? "") else { return ["\(place): no pattern"] }
            return text.contains(pattern) ? [] : ["\(place): '\(text)' does not match \(expected.text ?? "")"]
        case ("format", .string(let text)) where expected.text == "date-time":
            let form = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            return (try? form.parse(text)) == nil ? ["\(place): '\(text)' is no time"] : []
        case ("format", _), ("required", _), ("properties", _), ("items", _), ("pattern", _): return []
        case ("minLength", _), ("maxLength", _), ("minItems", _), ("maxItems", _): return []
        default: return ["\(place): the check does not know '\(keyword)'"]
        }
    }

    private func definition(_ reference: String) -> JSONValue {
        let parts = reference.split(separator: "/").dropFirst()
        return parts.reduce(document) { $0[String($1)] ?? .null }
    }
}

extension JSONValue {
    fileprivate func isOf(_ type: String) -> Bool {
        switch self {
        case .null: type == "null"
        case .bool: type == "boolean"
        case .number: type == "number" || type == "integer" && integer != nil
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}
