package import StrictJSON

/// The form of a value, as JSON Schema 2020-12 says it: the dialect of OpenAPI 3.1.
///
/// A named schema carries its definition along, so that a new one is written where it is used and nowhere else.
package struct Schema: Sendable, Equatable {
    package let json: JSONObject
    /// What `$ref`s within it point at, by name.
    package let definitions: [String: JSONObject]

    private init(_ json: JSONObject, definitions: [String: JSONObject] = [:]) {
        self.json = json
        self.definitions = definitions
    }

    package static let boolean = Schema(["type": .string("boolean")])
    /// `2026-01-02T15:04:05.678Z`.
    package static let time = Schema(["type": .string("string"), "format": .string("date-time")])
    package static let digest = string(matching: "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")
    /// A row's number; also a cursor.
    package static let id = integer(1...Int.max)
    /// How many; never negative.
    package static let count = integer(0...Int.max)
    /// Whatever JSON there is.
    package static let anything = Schema([:])
    package static let number = Schema(["type": .string("number")])
    package static let string = Schema(["type": .string("string")])
    package static let null = Schema(["type": .string("null")])

    package static func string(matching pattern: String) -> Schema {
        Schema(["type": .string("string"), "pattern": .string(pattern)])
    }

    package static func string(atMost length: Int) -> Schema {
        Schema(["type": .string("string"), "minLength": .integer(1), "maxLength": .integer(length)])
    }

    /// One of these words.
    package static func one(of words: [String]) -> Schema {
        Schema(["type": .string("string"), "enum": .array(words.map(JSONValue.string))])
    }

    package static func integer(_ range: ClosedRange<Int>) -> Schema {
        var json: JSONObject = ["type": .string("integer"), "format": .string("int64")]
        json["minimum"] = .integer(range.lowerBound)
        if range.upperBound < .max { json["maximum"] = .integer(range.upperBound) }
        return Schema(json)
    }

    package static func list(of element: Schema, count: ClosedRange<Int>? = nil) -> Schema {
        var json: JSONObject = ["type": .string("array"), "items": .object(element.json)]
        if let count {
            json["minItems"] = .integer(count.lowerBound)
            json["maxItems"] = .integer(count.upperBound)
        }
        return Schema(json, definitions: element.definitions)
    }

    /// An object whose members have names of their own choice.
    package static func map(of element: Schema) -> Schema {
        Schema(
            ["type": .string("object"), "additionalProperties": .object(element.json)],
            definitions: element.definitions)
    }

    /// - Parameter optional: members that are absent where they are not known.
    package static func object(
        _ members: KeyValuePairs<String, Schema>, optional: KeyValuePairs<String, Schema> = [:]
    ) -> Schema {
        let all = Array(members) + Array(optional)
        let properties = JSONObject(all.map { JSONObject.Member($0.key, .object($0.value.json)) })
        var json: JSONObject = ["type": .string("object"), "properties": .object(properties)]
        if !members.isEmpty { json["required"] = .array(members.map { .string($0.key) }) }
        return Schema(json, definitions: all.reduce(into: [:]) { $0.merge($1.value.definitions) { first, _ in first } })
    }

    /// One form or the other.
    package static func either(_ first: Schema, _ second: Schema) -> Schema {
        Schema(
            ["anyOf": .array([.object(first.json), .object(second.json)])],
            definitions: first.definitions.merging(second.definitions) { first, _ in first })
    }

    /// The same value under a name of its own in the document.
    package func named(_ name: String) -> Schema {
        Schema(
            ["$ref": .string("#/components/schemas/\(name)")], definitions: definitions.merging([name: json]) { $1 })
    }

    /// The same value and what a reader should know of it.
    package func described(_ text: String) -> Schema {
        var json = json
        json["description"] = .string(text)
        return Schema(json, definitions: definitions)
    }

    /// A problem document with one of these codes.
    static func problem(_ codes: [String]) -> Schema {
        let codes = Schema.object(["code": .one(of: codes)])
        return Schema(
            ["allOf": .array([.object(anyProblem.json), .object(codes.json)])], definitions: anyProblem.definitions)
    }

    private static let anyProblem = object([
        "type": string, "title": string, "status": integer(400...599),
        "code": string(matching: "^[a-z0-9_.]+$").described("Stable, for machines."),
        "detail": string.described("For the reader of this occurrence."),
        "fix": string.described("What to do about it."),
    ]).described("RFC 9457").named("Problem")
}
