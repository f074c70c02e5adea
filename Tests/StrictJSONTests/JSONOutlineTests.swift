import StrictJSON
import Testing

@Suite struct JSONOutlineTests {
    private static let document =
        #" { "a" : [1, {"b":"}"} , [ ]], "cé\u0041" : "x\"y" ,"n":-1.5e+3 , "t":true,"z":null, "o":{"p":{}} } "#

    private func text(_ element: JSONOutline.Element, _ outline: JSONOutline) -> String {
        String(decoding: outline.bytes[element.range], as: UTF8.self)
    }

    @Test func `each member of the document is known by its bytes`() throws {
        let outline = try JSONOutline(scanning: Array(Self.document.utf8))
        #expect(outline.members.map(\.name) == ["a", "céA", "n", "t", "z", "o"])
        #expect(outline.members.map(\.value.kind) == [.array, .string, .number, .bool, .null, .object])
        #expect(
            outline.members.map { text($0.value, outline) }
                == [#"[1, {"b":"}"} , [ ]]"#, #""x\"y""#, "-1.5e+3", "true", "null", #"{"p":{}}"#])
        #expect(outline.root.range == 1..<Self.document.utf8.count - 1)
        #expect(outline["b"] == nil)
    }

    @Test func `one descends where one has to`() throws {
        let outline = try JSONOutline(scanning: Array(Self.document.utf8))
        let array = try #require(outline["a"])
        var elements: [JSONOutline.Element] = []
        try outline.elements(of: array) { elements.append($0) }
        #expect(elements.map { text($0, outline) } == ["1", #"{"b":"}"}"#, "[ ]"])
        #expect(try outline.members(of: elements[1]).map(\.name) == ["b"])
        #expect(try outline.value(of: elements[1])["b"] == .string("}"))
        #expect(try outline.text(of: try #require(outline["céA"])) == #"x"y"#)
        #expect(try outline.text(of: array) == nil)
        #expect(try outline.members(of: array).isEmpty)
    }

    @Test(arguments: [
        "", " ", "{} {}", "[1]]", "{\"a\":1}x", "nul", "truefalse", "'a'", "NaN", "\u{FEFF}{}", "{", "[", "{]",
        #"{"a"}"#,
        #"{"a":}"#, #"{"a":1,}"#, "[1,]", "[,1]", #"{a:1}"#, #"{"a" 1}"#, "[1 2]", #"{"layers":1,"layers":2}"#,
        #"{"a":1,"\u0061":2}"#, #"{"\u00e9":1,"e\u0301":2}"#, #"[{"x":{"a":1,"a":2}}]"#, "01", "-", "1.", ".5", "1e",
        "+1",
        "\"a\nb\"", #""\x41""#, #""\u12""#, #""\ud83d""#, #""\ud83d\u0041""#, #""\ude00""#, #"""#, #""\"#, "\"a",
        #"["ok","é\q"]"#,
    ])
    func `what the tree refuses, the outline refuses`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
        #expect(throws: JSONError.self) { try JSONOutline(scanning: Array(text.utf8)) }
    }

    @Test func `bytes that are not UTF-8 are refused, in names and in values`() {
        for inner: [UInt8] in [[0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xC0, 0xAF]] {
            let quoted = [0x22] + inner + [0x22]
            #expect(throws: JSONError.self) { try JSONOutline(scanning: quoted) }
            #expect(throws: JSONError.self) { try JSONOutline(scanning: [0x7B] + quoted + [0x3A, 0x31, 0x7D]) }
        }
    }

    @Test func `nesting and length are bounded as in the tree`() throws {
        let nested = { (depth: Int) in [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth) }
        for depth in [31, 32, 33, 34, 1000] {
            let tree = (try? JSONValue(parsing: nested(depth))) != nil
            #expect(((try? JSONOutline(scanning: nested(depth))) != nil) == tree, "depth \(depth)")
        }
        #expect(throws: JSONError.self) { try JSONOutline(scanning: Array("[1,2]".utf8), limits: .init(maxBytes: 4)) }
    }

    @Test func `every cut of a document is refused by both`() {
        let bytes = Array(Self.document.utf8)
        for end in 0..<bytes.count - 1 {
            let cut = Array(bytes[..<end])
            #expect((try? JSONOutline(scanning: cut)) == nil && (try? JSONValue(parsing: cut)) == nil, "\(end) bytes")
        }
    }

    @Test func `a changed byte is judged alike by both`() {
        let bytes = Array(Self.document.utf8)
        for position in bytes.indices {
            for byte in [0x00, 0x22, 0x2C, 0x5C, 0x5D, 0x7D, 0xFF] as [UInt8] {
                var changed = bytes
                changed[position] = byte
                let tree = (try? JSONValue(parsing: changed)) != nil
                #expect(((try? JSONOutline(scanning: changed)) != nil) == tree, "\(byte) at \(position)")
            }
        }
    }
}
