import StrictJSON
import Testing

@Suite struct JSONParserTests {
    @Test(arguments: [
        // not one value
        "", " ", "{} {}", "[1]]", "{\"a\":1}x", "nul", "truefalse", "'a'", "NaN", "undefined", "\u{FEFF}{}",
        // objects and arrays that do not end, or end twice
        "{", "[", "{]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "[1,]", "[,1]", #"{a:1}"#, #"{"a" 1}"#, "[1 2]",
        // a name twice, also when spelled differently: two readers would see two documents
        #"{"layers":1,"layers":2}"#, #"{"a":1,"\u0061":2}"#, #"{"\u00e9":1,"e\u0301":2}"#,
        // numbers outside the grammar
        "01", "-", "1.", ".5", "1e", "+1", "0x10", "--1",
        // strings with raw control characters, unknown escapes, half characters, no end
        "\"a\nb\"", #""\x41""#, #""\u12""#, #""\ud83d""#, #""\ud83d\u0041""#, #""\ude00""#, #"""#, #""\"#, #""\u+041""#,
        #""\u００４１""#, "\"a",
    ])
    func `what is not JSON, or is read differently by others, is refused`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        for inner: [UInt8] in [[0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xC0, 0xAF]] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + inner + [0x22]) }
        }
    }

    @Test func `nesting and length are bounded`() throws {
        let nested = { (depth: Int) in [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth) }
        #expect(try JSONValue(parsing: nested(32)) != .null)
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(34)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [UInt8](repeating: 0x5B, count: 1 << 20)) }
        #expect(try JSONValue(parsing: nested(4), limits: .init(maxDepth: 4)) != .null)
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(6), limits: .init(maxDepth: 4)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array("[1,2]".utf8), limits: .init(maxBytes: 4)) }
    }

    @Test func `a tree has no more values than is said`() throws {
        let zeros = Array(#"{"a":[0,0,0]}"#.utf8)
        #expect(try JSONValue(parsing: zeros, limits: .init().holding(atMost: 5)) != .null)
        #expect(throws: JSONError.self) { try JSONValue(parsing: zeros, limits: .init().holding(atMost: 4)) }
        // an outline is none, and makes trees within the same bound
        let outline = try JSONOutline(scanning: zeros, limits: .init(maxValues: 3))
        #expect(throws: JSONError.self) { try outline.value(of: outline.root) }
        #expect(JSONLimits(maxValues: 3).holding(atMost: 4).maxValues == 3)
    }

    @Test func `escapes are read`() throws {
        let text = #""\u0041\n\/\b\f\r\t\"\\\ud83d\ude00\u00e9\u0000""#
        #expect(try JSONValue(parsing: Array(text.utf8)) == .string("A\n/\u{8}\u{C}\r\t\"\\😀é\0"))
    }

    @Test func `an error says where, and quotes nothing`() throws {
        let error = try #require(throws: JSONError.self) {
            try JSONValue(parsing: Array(#"{"secret":1,"secret":2}"#.utf8))
        }
        #expect(error.offset == 20)
        #expect(!error.description.contains("secret"))
    }
}
