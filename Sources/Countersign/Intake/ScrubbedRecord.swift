import OCI
import StrictJSON

/// What is kept of an event's own text: enough to explain a decision later, nothing that opens or traces anything.
///
/// Members that hold URLs, addresses or credentials are left out by name; strings that look like them anywhere else are
/// masked; strings, lists and the whole are bounded.
enum ScrubbedRecord {
    /// A manifest's event with its references is about 2 kB.
    static let maxBytes = 16 << 10
    private static let maxString = 512
    private static let maxEntries = 64

    private static let unwanted: Set<String> = [
        "url", "urls", "uri", "callback_url", "addr", "address", "ip", "remoteaddr", "authorization", "cookie", "token",
        "access_token", "password", "secret", "email",
    ]

    static func render(_ event: JSONValue) -> [UInt8] {
        let bytes = scrub(event).encoded()
        guard bytes.count > maxBytes else { return bytes }
        return Array(#"{"left_out":"larger than \#(maxBytes) bytes"}"#.utf8)
    }

    private static func scrub(_ value: JSONValue) -> JSONValue {
        switch value {
        case .null, .bool, .number: return value
        case .string(let text): return .string(masked(text))
        case .array(let values): return .array(values.prefix(maxEntries).map(scrub))
        case .object(let object):
            let kept = object.members.prefix(maxEntries).filter { !unwanted.contains($0.name.lowercased()) }
            return .object(kept.reduce(into: [:]) { $0[masked($1.name)] = scrub($1.value) })
        }
    }

    /// `eyJ` begins every JWT; a scheme or a user:password before an `@` begins everything that can be called.
    private static let marks = [
        "://", "bearer ", "basic ", "eyj", "token=", "password=", "secret=", "signature=",
    ].map { Array($0.utf8) }

    /// By bytes and in one pass: every string of every event comes by here.
    private static func hasMark(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            bytes.indices.contains { start in
                marks.contains { mark in
                    mark.count <= bytes.count - start
                        && mark.indices.allSatisfy { mark[$0] == lowercased(bytes[start + $0]) }
                }
            }
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }

    private static func masked(_ text: String) -> String {
        if hasMark(text) { return "[left out]" }
        return text.utf8.count > maxString ? String(text.prefix(maxString)) + "…" : text
    }
}
