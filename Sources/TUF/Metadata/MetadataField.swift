import FoundationEssentials
import OpenSSL
import StrictJSON

/// A place in a metadata file: a value, and the path by which an error names it.
struct MetadataField {
    let value: JSONValue
    let file: String
    let path: String

    func malformed(_ detail: String) -> TUFError {
        .malformed(file: file, path.isEmpty ? detail : "\(path): \(detail)")
    }

    private func at(_ name: String, _ value: JSONValue) -> MetadataField {
        MetadataField(value: value, file: file, path: path.isEmpty ? name : "\(path).\(name)")
    }

    func optional(_ name: String) throws(TUFError) -> MetadataField? {
        guard case .object(let object) = value else { throw malformed("not an object") }
        return object[name].map { at(name, $0) }
    }

    func required(_ name: String) throws(TUFError) -> MetadataField {
        guard let field = try optional(name) else { throw malformed("\(name) is missing") }
        return field
    }

    /// The members of an object, by name.
    func members(atMost limit: Int) throws(TUFError) -> [(name: String, field: MetadataField)] {
        guard case .object(let object) = value else { throw malformed("not an object") }
        guard object.members.count <= limit else { throw malformed("more than \(limit) members") }
        return object.members.map { ($0.name, at($0.name, $0.value)) }
    }

    func elements(atMost limit: Int) throws(TUFError) -> [MetadataField] {
        guard case .array(let elements) = value else { throw malformed("not an array") }
        guard elements.count <= limit else { throw malformed("more than \(limit) elements") }
        return elements.enumerated().map { MetadataField(value: $0.element, file: file, path: "\(path)[\($0.offset)]") }
    }

    func string() throws(TUFError) -> String {
        guard case .string(let text) = value else { throw malformed("not a string") }
        return text
    }

    func bool() throws(TUFError) -> Bool {
        guard case .bool(let flag) = value else { throw malformed("not true or false") }
        return flag
    }

    func integer(atLeast least: Int64) throws(TUFError) -> Int64 {
        guard case .number(let text) = value, let number = Int64(text), String(number) == text else {
            throw malformed("not a 64-bit integer")
        }
        guard number >= least else { throw malformed("below \(least)") }
        return number
    }

    /// `YYYY-MM-DDTHH:MM:SSZ` and nothing else (4.2 "Date-time").
    func date() throws(TUFError) -> Date {
        let text = try string()
        let form = "0000-00-00T00:00:00Z".utf8
        let fits = text.utf8.elementsEqual(form) { $1 == UInt8(ascii: "0") ? (0x30...0x39).contains($0) : $0 == $1 }
        // written again, so that a day that does not exist is not silently another one
        guard fits, let date = try? Date(text, strategy: .iso8601), date.formatted(.iso8601) == text else {
            throw malformed("not a time such as 2026-01-31T12:00:00Z")
        }
        return date
    }

    /// The digests of an object `{algorithm: hex}` that we can compute; those of other algorithms say nothing to us.
    func digests() throws(TUFError) -> [DigestAlgorithm: [UInt8]] {
        let members = try members(atMost: 16)
        guard !members.isEmpty else { throw malformed("no digest") }
        var digests: [DigestAlgorithm: [UInt8]] = [:]
        for (name, field) in members {
            guard let algorithm = DigestAlgorithm(rawValue: name), algorithm != .sha1 else { continue }
            guard let bytes = Hex.decode(try field.string()), bytes.count == algorithm.byteCount else {
                throw field.malformed("not a \(name) digest in hexadecimal")
            }
            digests[algorithm] = bytes
        }
        return digests
    }
}
