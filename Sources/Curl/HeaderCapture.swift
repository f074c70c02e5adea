/// Collects an answer's header section from the lines libcurl hands over, one call a line, as they came.
///
/// Interim answers (1xx) start the section anew; what comes after it are trailers. All of it counts toward the limit.
struct HeaderCapture: Sendable {
    private(set) var headers = HTTPHeaders()
    private(set) var trailers = HTTPHeaders()
    private let limit: Int
    private var received = 0
    private var isInsideSection = false

    /// A capture that accepts `limit` bytes in all.
    init(limit: Int) {
        self.limit = limit
    }

    /// Why a line is not accepted.
    enum Fault: Error, Equatable {
        case tooLarge
        case malformed
    }

    /// Takes one line, its line end included.
    mutating func take(_ line: some Collection<UInt8>) throws(Fault) {
        received += line.count
        guard received <= limit else { throw .tooLarge }
        if line.starts(with: "HTTP/".utf8), !isInsideSection {
            headers = HTTPHeaders()
            isInsideSection = true
            return
        }
        let text = line.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
        if text.isEmpty {
            isInsideSection = false
        } else if isInsideSection {
            try Self.add(text, to: &headers)
        } else {
            try Self.add(text, to: &trailers)
        }
    }

    private static func add(_ text: some Collection<UInt8>, to fields: inout HTTPHeaders) throws(Fault) {
        if text.first.map(isBlank) == true {
            guard fields.continueLast(with: trimmed(text)) else { throw .malformed }
            return
        }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon != text.startIndex,
            !text[..<colon].contains(where: isBlank)
        else { throw .malformed }
        fields.add(String(decoding: text[..<colon], as: UTF8.self), trimmed(text[text.index(after: colon)...]))
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    private static func trimmed(_ bytes: some Collection<UInt8>) -> String {
        var text = Array(bytes.drop(while: isBlank))
        while let last = text.last, isBlank(last) { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }
}
