/// One challenge of a `WWW-Authenticate` field (RFC 9110 §11.6.1).
struct Challenge: Equatable, Sendable {
    /// Lowercase: schemes are case-insensitive.
    let scheme: String
    /// Names lowercase, values unquoted.
    let parameters: [String: String]

    /// Longer fields are not challenges.
    static let fieldLimit = 8192

    /// Every challenge of one field; several may share it, separated by the same commas as their parameters.
    ///
    /// - Throws: `OCIError.challengeMalformed`. A field that is half understood is not guessed at: its realm decides
    ///   where credentials go.
    static func parse(_ field: String) throws(OCIError) -> [Challenge] {
        guard field.utf8.count <= fieldLimit else { throw .challengeMalformed(String(field.prefix(64)), "too long") }
        var reader = ChallengeReader(field: field)
        do { return try reader.challenges() } catch { throw .challengeMalformed(field, error.reason) }
    }
}

/// The grammar `1#( scheme [ 1*SP ( token68 / #( token BWS "=" BWS ( token / quoted-string ) ) ) ] )`.
private struct ChallengeReader {
    struct Fault: Error { let reason: String }

    private let bytes: [UInt8]
    private var position = 0

    init(field: String) {
        bytes = Array(field.utf8)
    }

    mutating func challenges() throws(Fault) -> [Challenge] {
        var challenges: [Challenge] = []
        skipSeparators()
        while position < bytes.count { challenges.append(try challenge()) }
        guard !challenges.isEmpty else { throw Fault(reason: "no challenge") }
        return challenges
    }

    private mutating func challenge() throws(Fault) -> Challenge {
        let scheme = try token("a scheme").lowercased()
        guard atEnd || bytes[position].isBlank || bytes[position] == UInt8(ascii: ",") else {
            throw Fault(reason: "a scheme is followed by a space")
        }
        var parameters: [String: String] = [:]
        skipBlanks()
        if atEnd || bytes[position] == UInt8(ascii: ",") || skipToken68() {
            skipSeparators()
            return Challenge(scheme: scheme, parameters: [:])
        }
        while let (name, value) = try parameter() {
            guard parameters.updateValue(value, forKey: name) == nil else {
                throw Fault(reason: "parameter \(name) occurs twice")
            }
            skipBlanks()
            guard atEnd || bytes[position] == UInt8(ascii: ",") else { throw Fault(reason: "expected a comma") }
            skipSeparators()
        }
        skipSeparators()
        return Challenge(scheme: scheme, parameters: parameters)
    }

    private var atEnd: Bool { position >= bytes.count }

    private mutating func skipBlanks() {
        while !atEnd, bytes[position].isBlank { position += 1 }
    }

    /// Commas and blanks; empty list elements are legal (RFC 9110 §5.6.1.2).
    private mutating func skipSeparators() {
        while !atEnd, bytes[position].isBlank || bytes[position] == UInt8(ascii: ",") { position += 1 }
    }

    private mutating func token(_ what: String) throws(Fault) -> String {
        let start = position
        while !atEnd, bytes[position].isTokenCharacter { position += 1 }
        guard position > start else { throw Fault(reason: "expected \(what)") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Reads over `Negotiate <base64>`: not a list of parameters, and not a scheme we speak.
    private mutating func skipToken68() -> Bool {
        let start = position
        while !atEnd, bytes[position].isAlphanumeric || Set("-._~+/".utf8).contains(bytes[position]) { position += 1 }
        guard position > start else { return false }
        while !atEnd, bytes[position] == UInt8(ascii: "=") { position += 1 }
        skipBlanks()
        if atEnd || bytes[position] == UInt8(ascii: ",") { return true }
        position = start
        return false
    }

    /// The next `name=value`, or `nil` when what follows is the next challenge or the end.
    private mutating func parameter() throws(Fault) -> (String, String)? {
        let start = position
        guard !atEnd, bytes[position].isTokenCharacter else {
            if atEnd { return nil }
            throw Fault(reason: "expected a parameter")
        }
        let name = try token("a parameter").lowercased()
        skipBlanks()
        guard !atEnd, bytes[position] == UInt8(ascii: "=") else {
            position = start
            return nil
        }
        position += 1
        skipBlanks()
        if !atEnd, bytes[position] == UInt8(ascii: "\"") { return (name, try quotedString()) }
        return (name, try token("a value"))
    }

    private mutating func quotedString() throws(Fault) -> String {
        position += 1
        var content: [UInt8] = []
        while !atEnd {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw Fault(reason: "not UTF-8") }
                return text
            case UInt8(ascii: "\\"):
                guard !atEnd, bytes[position] >= 0x20, bytes[position] != 0x7F else {
                    throw Fault(reason: "control character")
                }
                content.append(bytes[position])
                position += 1
            case 0x09, 0x20..<0x7F, 0x80...: content.append(byte)
            default: throw Fault(reason: "control character")
            }
        }
        throw Fault(reason: "quoted string ended early")
    }
}
