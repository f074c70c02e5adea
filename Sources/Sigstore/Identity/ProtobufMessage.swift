/// Length-delimited fields of a protobuf message (protobuf.dev, "Encoding"): all that the SPIFFE Workload API's messages have.
struct ProtobufMessage {
    /// Field number and content, in order; repeats are kept.
    private(set) var fields: [(number: Int, content: [UInt8])] = []

    /// Why bytes are no message.
    struct Malformed: Error, Equatable {
        let reason: String
    }

    /// An empty message.
    init() {}

    mutating func append(_ number: Int, _ content: [UInt8]) { fields.append((number, content)) }
    mutating func append(_ number: Int, _ text: String) { append(number, Array(text.utf8)) }

    var encoded: [UInt8] {
        fields.flatMap { Self.varint(UInt64($0.number) << 3 | 2) + Self.varint(UInt64($0.content.count)) + $0.content }
    }

    /// Reads a message; fields of other wire types are skipped, as every protobuf parser skips what it does not know.
    init(parsing bytes: [UInt8]) throws(Malformed) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let tag = try Self.takeVarint(&rest)
            guard tag >> 3 >= 1, tag >> 3 <= 1 << 29 - 1 else { throw Malformed(reason: "field number \(tag >> 3)") }
            switch tag & 7 {
            case 0: _ = try Self.takeVarint(&rest)
            case 1: _ = try Self.take(8, from: &rest)
            case 2:
                let count = try Self.takeVarint(&rest)
                fields.append((Int(tag >> 3), Array(try Self.take(count, from: &rest))))
            case 5: _ = try Self.take(4, from: &rest)
            // groups (3, 4) are not in proto3
            default: throw Malformed(reason: "wire type \(tag & 7)")
            }
        }
    }

    /// All contents of a field.
    func all(_ number: Int) -> [[UInt8]] { fields.filter { $0.number == number }.map(\.content) }

    /// The text of a field, the last one counts; empty where it is absent.
    func text(_ number: Int) throws(Malformed) -> String {
        guard let text = String(validating: all(number).last ?? [], as: UTF8.self) else {
            throw Malformed(reason: "field \(number) is not UTF-8")
        }
        return text
    }

    private static func take(_ count: UInt64, from rest: inout ArraySlice<UInt8>) throws(Malformed) -> ArraySlice<UInt8>
    {
        guard count <= UInt64(rest.count) else {
            throw Malformed(reason: "\(count) bytes announced, \(rest.count) left")
        }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    private static func takeVarint(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = rest.popFirst() else { throw Malformed(reason: "a number breaks off") }
            guard shift < 63 || byte <= 1 else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw Malformed(reason: "a number has more than 64 bits")
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
