import FoundationEssentials
import OpenSSL
import StrictJSON

/// A place in a document from outside: a value, and the path by which an error names it.
///
/// Members are read by the rules of ProtoJSON (lowerCamelCase or the original snake_case, null equals absent, 64-bit
/// integers as strings or numbers, bytes as base64), which every Sigstore document follows.
struct JSONField {
    let value: JSONValue
    let path: String

    /// Reads a whole document named `document` in errors.
    init(document: String, parsing bytes: [UInt8], limits: JSONLimits = .init()) throws(SigstoreError) {
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes, limits: limits)
        } catch {
            throw .malformed(document, error.description)
        }
        path = document
        guard case .object = value else { throw .malformed(document, "not a JSON object") }
    }

    init(_ value: JSONValue, path: String) {
        self.value = value
        self.path = path
    }

    func malformed(_ detail: String) -> SigstoreError { .malformed(path, detail) }

    func optional(_ name: String) throws(SigstoreError) -> JSONField? {
        guard case .object(let object) = value else { throw malformed("not an object") }
        let camel = object[name]
        let snake = Self.snakeCase(name)
        let other = snake.flatMap { object[$0] }
        guard camel == nil || other == nil else { throw malformed("both \(name) and \(snake ?? "")") }
        guard let found = camel ?? other, found != .null else { return nil }
        return JSONField(found, path: "\(path).\(name)")
    }

    func required(_ name: String) throws(SigstoreError) -> JSONField {
        guard let field = try optional(name) else { throw malformed("\(name) is missing") }
        return field
    }

    /// Refuses members that are not in `names`: what we do not understand may change what the rest means.
    func onlyMembers(_ names: String...) throws(SigstoreError) {
        guard case .object(let object) = value else { throw malformed("not an object") }
        for member in object.members
        where !names.contains(where: { $0 == member.name || Self.snakeCase($0) == member.name }) {
            throw malformed("unknown field \"\(printable(member.name, limit: 64))\"")
        }
    }

    func elements(atMost limit: Int) throws(SigstoreError) -> [JSONField] {
        guard case .array(let elements) = value else { throw malformed("not an array") }
        guard elements.count <= limit else { throw malformed("\(elements.count) elements, at most \(limit) are read") }
        return elements.enumerated().map { JSONField($0.element, path: "\(path)[\($0.offset)]") }
    }

    func string() throws(SigstoreError) -> String {
        guard case .string(let text) = value else { throw malformed("not a string") }
        return text
    }

    func bytes() throws(SigstoreError) -> [UInt8] {
        guard let bytes = Base64.decode(try string()) else { throw malformed("not standard base64") }
        return bytes
    }

    func hex() throws(SigstoreError) -> [UInt8] {
        guard let bytes = Hex.decode(try string()) else { throw malformed("not hexadecimal") }
        return bytes
    }

    /// A 64-bit integer that counts something: never negative here.
    func count() throws(SigstoreError) -> Int64 {
        let text: String
        switch value {
        case .string(let string): text = string
        case .number(let number): text = number
        default: throw malformed("not an integer")
        }
        guard let number = Int64(text), String(number) == text else { throw malformed("not a 64-bit integer") }
        guard number >= 0 else { throw malformed("negative") }
        return number
    }

    func bool() throws(SigstoreError) -> Bool {
        guard case .bool(let value) = value else { throw malformed("not true or false") }
        return value
    }

    func date() throws(SigstoreError) -> Date {
        guard let date = Date(rfc3339: try string()) else { throw malformed("not an RFC 3339 time") }
        return date
    }

    /// The original name of a member, where it differs. Names are ASCII, and ours.
    private static func snakeCase(_ name: String) -> String? {
        guard name.utf8.contains(where: isUppercase) else { return nil }
        var snake: [UInt8] = []
        for byte in name.utf8 {
            if isUppercase(byte) { snake += [UInt8(ascii: "_"), byte | 0x20] } else { snake.append(byte) }
        }
        return String(decoding: snake, as: UTF8.self)
    }

    private static func isUppercase(_ byte: UInt8) -> Bool { (65...90).contains(byte) }
}

/// Text from outside made fit for a log line: control and format characters replaced, cut at `limit` characters.
func printable(_ text: String, limit: Int = 2048) -> String {
    // nearly all of it
    if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
    let clean = text.unicodeScalars.prefix(limit).map { scalar -> Character in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: " "
        default: Character(scalar)
        }
    }
    return String(clean) + (text.unicodeScalars.count > limit ? "…" : "")
}
