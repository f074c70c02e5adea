package import StrictJSON

/// JSON of any form inside an answer: a document that is ours already, or what a daemon of another version said.
package struct CodableJSON: Codable, Sendable, Equatable {
    package let value: JSONValue

    package init(_ value: JSONValue) { self.value = value }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let text = try? container.decode(String.self) {
            value = .string(text)
        } else if let isTrue = try? container.decode(Bool.self) {
            value = .bool(isTrue)
        } else if let number = try? container.decode(Int64.self) {
            value = .integer(number)
        } else if let number = try? container.decode(Double.self) {
            value = .number("\(number)")
        } else if let elements = try? container.decode([CodableJSON].self) {
            value = .array(elements.map(\.value))
        } else {
            let members = try container.decode([String: CodableJSON].self)
            value = .object(JSONObject(members.map { JSONObject.Member($0.key, $0.value.value) }))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        // as a dictionary: its names are data, which no encoder spells in a way of its own
        case .object(let object):
            let members = object.members.map { ($0.name, CodableJSON($0.value)) }
            try container.encode(Dictionary(members) { first, _ in first })
        case .array(let elements): try container.encode(elements.map(CodableJSON.init))
        case .string(let text): try container.encode(text)
        case .bool(let isTrue): try container.encode(isTrue)
        case .number(let text):
            if let number = Int64(text) {
                try container.encode(number)
            } else if let number = Double(text) {
                try container.encode(number)
            } else {
                try container.encode(text)
            }
        case .null: try container.encodeNil()
        }
    }
}
