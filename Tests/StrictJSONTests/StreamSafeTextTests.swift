import StrictJSON
import Testing

struct StreamSafeTextTests {
    @Test(arguments: [
        String(repeating: "\u{315}", count: 30),
        String(repeating: "\u{315}", count: 30) + "a" + String(repeating: "\u{316}", count: 30),
        String(repeating: "\u{1EBF}", count: 1000), String(repeating: "\u{AC01}\u{4E00}\u{1F600}", count: 1000), "",
    ])
    func `text of real languages is`(text: String) throws {
        #expect(text.isStreamSafe)
        #expect(try JSONValue(parsing: Array("\"\(text)\"".utf8)) == .string(text))
    }

    // the last two: of class 0, and made of marks
    @Test(arguments: ["\u{315}", "\u{316}", "\u{302B}", "\u{1D165}", "\u{344}", "\u{F73}", "\u{F81}"])
    func `runs of marks are not, and no string of JSON has them`(mark: String) {
        let run = String(repeating: mark, count: 31)
        #expect(!run.isStreamSafe && !("a" + run + "b").isStreamSafe && !Substring("a" + run).isStreamSafe)
        let escaped = run.utf16.map { "\\u" + (String(repeating: "0", count: 4) + String($0, radix: 16)).suffix(4) }
            .joined()
        for text in [run, escaped] {
            for document in ["\"\(text)\"", "{\"\(text)\":1}", "[{\"a\":\"b\\n\(text)\"}]"] {
                let error = #expect(throws: JSONError.self) { try JSONValue(parsing: Array(document.utf8)) }
                #expect(error?.reason == "more than 30 combining marks in a row inside a string")
                #expect(throws: JSONError.self) {
                    try JSONOutline(scanning: Array(document.utf8), limits: JSONLimits(maxBytes: 1 << 20, maxDepth: 8))
                }
            }
        }
    }

    /// Four megabytes of them, in the order that takes longest to sort: hours, were they compared once.
    @Test(.timeLimit(.minutes(1))) func `the longest run is refused before it is compared`() {
        let run = String(repeating: "\u{315}", count: 1 << 20) + String(repeating: "\u{316}", count: 1 << 20)
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array("{\"\(run)\":1}".utf8)) }
    }
}
