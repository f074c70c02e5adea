import Testing

@testable import Sigstore

@Suite struct JSONValueTests {
    @Test(arguments: [
        "", " ", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\":1}x", "01", "1.", "-", "1e", "nul", "\"\\x\"",
        "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "\"a", "{'a':1}", "{\"a\" 1}", "[1 2]", "+1",
        "\u{FEFF}{}",
    ])
    func `what is not JSON, or is read differently by others, is refused`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func `invalid UTF-8, deep nesting and long documents are refused`() throws {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xED, 0xA0, 0x80, 0x22]) }
        let nested = { (depth: Int) in [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth) }
        _ = try JSONValue(parsing: nested(64))
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(66)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [UInt8](repeating: 0x5B, count: 1 << 20)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array("[1,2]".utf8), limits: .init(maxBytes: 4)) }
    }

    @Test func `a document is written as it was read`() throws {
        let text = #"{"b":[1,-0.50,1e9,true,null,{}],"a":"q\"\\\n\u0001é/","z":{"y":{},"x":[]}}"#
        #expect(String(decoding: try JSONValue(parsing: Array(text.utf8)).encoded(), as: UTF8.self) == text)
        let spaced = Array(" { \"k\" : [ 1 , \"\\u00e9\\ud83d\\ude00\" ] } ".utf8)
        #expect(try JSONValue(parsing: spaced).encoded() == Array("{\"k\":[1,\"é😀\"]}".utf8))
    }

    @Test func `the canonical form sorts members at every depth`() throws {
        let value = try JSONValue(parsing: Array(#"{"b":{"d":1,"c":2},"a":[{"y":1,"x":2}]}"#.utf8))
        #expect(String(decoding: value.canonical(), as: UTF8.self) == #"{"a":[{"x":2,"y":1}],"b":{"c":2,"d":1}}"#)
    }
}
