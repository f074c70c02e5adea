import Testing

@testable import Curl

@Suite struct HeaderCaptureTests {
    private func captured(_ lines: [String], limit: Int = 1000) throws -> HTTPHeaders {
        var capture = HeaderCapture(limit: limit)
        for line in lines { try capture.take(Array(line.utf8)) }
        return capture.headers
    }

    @Test func `values lose their outer blanks and keep their order`() throws {
        let headers = try captured(["HTTP/2 200\r\n", "a:  x \t\r\n", "B:\r\n", "A:y:z\n", "\r\n"])
        #expect(headers == HTTPHeaders([("a", "x"), ("B", ""), ("A", "y:z")]))
    }

    @Test func `only the final answer's fields remain`() throws {
        let headers = try captured([
            "HTTP/1.1 100 Continue\r\n", "Interim: 1\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "Final: 1\r\n", "\r\n",
            "Trailer: 1\r\n", "\r\n",
        ])
        #expect(headers == ["Final": "1"])
    }

    @Test func `a folded line continues the value before it`() throws {
        let headers = try captured(["HTTP/1.1 200 OK\r\n", "A: one\r\n", "\t two \r\n", " \r\n", "B: 3\r\n", "\r\n"])
        #expect(headers == HTTPHeaders([("A", "one two"), ("B", "3")]))
    }

    @Test func `malformed lines are refused`() {
        for line in ["no colon\r\n", ": no name\r\n", "na me: v\r\n", "name : v\r\n", " continues nothing\r\n"] {
            #expect(throws: HeaderCapture.Fault.malformed, "\(line)") { try captured(["HTTP/1.1 200 OK\r\n", line]) }
        }
    }

    @Test func `bytes that are not UTF-8 do not get lost without a trace`() throws {
        var capture = HeaderCapture(limit: 100)
        try capture.take(Array("HTTP/1.1 200 OK\r\n".utf8))
        try capture.take(Array("A: ".utf8) + [0xff] + Array("z\r\n".utf8))
        #expect(capture.headers["A"] == "\u{FFFD}z")
    }

    @Test func `the limit counts every byte of every section`() throws {
        let lines = ["HTTP/1.1 100 C\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "A: b\r\n", "\r\n", "T: r\r\n"]
        let total = lines.reduce(0) { $0 + $1.utf8.count }
        #expect(try captured(lines, limit: total) == ["A": "b"])
        #expect(throws: HeaderCapture.Fault.tooLarge) { try captured(lines, limit: total - 1) }
    }
}

@Suite struct HTTPHeadersTests {
    @Test func `names compare without case and repeats are kept`() {
        var headers: HTTPHeaders = ["Link": "<a>", "X": "1"]
        headers.add("link", "<b>")
        #expect(headers["LINK"] == "<a>")
        #expect(headers.values(of: "lInK") == ["<a>", "<b>"])
        #expect(headers.map(\.name) == ["Link", "X", "link"])
        #expect(headers["Lin"] == nil)
        // '@' and '`' differ by the same bit as letters do
        headers.add("@", "2")
        #expect(headers["`"] == nil)
    }

    @Test func `setting replaces every field of the name where the first stood`() {
        var headers = HTTPHeaders([("A", "1"), ("B", "2"), ("a", "3")])
        headers["a"] = "4"
        #expect(headers == HTTPHeaders([("A", "4"), ("b", "2")]))
        headers["B"] = nil
        headers["C"] = "5"
        #expect(headers == HTTPHeaders([("A", "4"), ("C", "5")]))
        #expect(headers != HTTPHeaders([("C", "5"), ("A", "4")]))
    }
}
