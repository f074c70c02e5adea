import StrictJSON
import Testing

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test(arguments: [
        #"{"z":1,"a":[true,false,null,-0.5e+10,12345678901234567890],"s":"é\"\\😀","e":{}}"#,
        #"{"b":[1,-0.50,1e9,true,null,{}],"a":"q\"\\\b\t\n\f\r\u0001\u001fé/","z":{"y":{},"x":[]}}"#,
    ])
    func `a document is written as it was read, order and numbers included`(text: String) throws {
        #expect(String(decoding: try parse(text).encoded(), as: UTF8.self) == text)
    }

    @Test func `white space and needless escapes are not kept`() throws {
        let spaced = try parse(" { \"k\" : [ 1 , \"\\u00e9\\ud83d\\ude00\" ] } ")
        #expect(spaced.encoded() == Array("{\"k\":[1,\"é😀\"]}".utf8))
    }

    @Test func `the canonical form sorts members at every depth`() throws {
        let value = try parse(#"{"b":{"d":1,"c":2},"a":[{"y":1,"x":2}]}"#)
        #expect(String(decoding: value.canonical(), as: UTF8.self) == #"{"a":[{"x":2,"y":1}],"b":{"c":2,"d":1}}"#)
    }

    @Test func `a member is found by the bytes of its name`() throws {
        let value = try parse(#"{"\u212a":1}"#)
        #expect(value["K"] == nil)
        #expect(value["\u{212A}"] == .integer(1))
    }

    @Test func `a changed member keeps its place, a new one comes last, nil removes`() {
        var object: JSONObject = ["a": .integer(1), "b": .null, "a": .integer(2)]
        #expect(object.members == [.init("a", .integer(2)), .init("b", .null)])
        object["c"] = .string("new")
        object["a"] = .bool(true)
        object["b"] = nil
        object["d"] = nil
        #expect(JSONValue.object(object).encoded() == Array(#"{"a":true,"c":"new"}"#.utf8))
    }

    @Test func `only whole numbers of 64 bits are integers`() throws {
        #expect(try parse("-9223372036854775808").integer == .min)
        for text in ["9223372036854775808", "1.0", "1e3", "\"1\"", "true"] { #expect(try parse(text).integer == nil) }
    }

    @Test func `every character is written so that it is read again, wherever it stands`() throws {
        for character in (0...0x7F).map({ Character(Unicode.Scalar($0)) }) + ["é", "😀"] {
            for text in ["\(character)", "\(character)ab", "ab\(character)", "a\(character)\(character)b", ""] {
                let written = JSONValue.string(text).encoded()
                #expect(try JSONValue(parsing: written) == .string(text))
                // what lies in one piece is written in runs, everything else byte by byte
                var (whole, bytes) = ([UInt8](), [UInt8]())
                JSONValue.escape(Array(text.utf8), to: &whole)
                JSONValue.escape(AnySequence(text.utf8), to: &bytes)
                #expect(whole == bytes && written == [0x22] + whole + [0x22])
            }
        }
    }
}
