import Testing

@testable import OCI

@Suite struct JSONParserTests {
    @Test func `a document survives reading and writing, order and numbers included`() throws {
        let text = #"{"z":1,"a":[true,false,null,-0.5e+10,12345678901234567890],"s":"é\"\\😀","e":{}}"#
        #expect(try JSONParser.parse(Array(text.utf8)).encoded == Array(text.utf8))
    }

    @Test func `escapes are read`() throws {
        let value = try JSONParser.parse(Array(#""\u0041\n\/\ud83d\ude00\u00e9""#.utf8))
        #expect(value == .string("A\n/😀é"))
    }

    @Test(arguments: [
        // not one value
        "", " ", "{} {}", "[1]]", "nul", "truefalse", "'a'", "NaN", "undefined",
        // objects and arrays that do not end, or end twice
        "{", "[", "{]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "[1,]", "[,1]", #"{a:1}"#, "[1 2]",
        // a name twice, also when spelled differently: two readers would see two documents
        #"{"layers":1,"layers":2}"#, #"{"a":1,"\u0061":2}"#,
        // numbers outside the grammar
        "01", "-", "1.", ".5", "1e", "+1", "0x10", "--1",
        // strings with raw control characters, unknown escapes, half characters
        "\"a\nb\"", #""\x41""#, #""\u12""#, #""\ud83d""#, #""\ud83d\u0041""#, #""\ude00""#, #"""#, #""\"#, #""\u+041""#,
    ])
    func `malformed JSON is refused`(text: String) {
        #expect(throws: JSONValue.Fault.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: JSONValue.Fault.self) { try JSONParser.parse([0x22, 0xC3, 0x28, 0x22]) }
        #expect(throws: JSONValue.Fault.self) { try JSONParser.parse([0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func `nesting is bounded`() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        #expect(try JSONParser.parse(nested(32)) != .null)
        #expect(throws: JSONValue.Fault.self) { try JSONParser.parse(nested(40)) }
        #expect(throws: JSONValue.Fault.self) {
            try JSONParser.parse(Array(String(repeating: "[", count: 1 << 20).utf8))
        }
    }
}
