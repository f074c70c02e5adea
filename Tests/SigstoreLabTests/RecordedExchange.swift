import FoundationEssentials

@testable import SigstoreLab

/// One HTTP exchange with a real server, as recorded. Tokens have lost their signatures.
struct RecordedExchange: Decodable, Sendable {
    struct Body: Decodable, Sendable {
        let text: String?
        let base64: String?
        var bytes: [UInt8] { base64.flatMap { [UInt8](base64: $0) } ?? Array((text ?? "").utf8) }
    }

    let start: Double
    let service: String
    let method: String
    let path: String
    let requestHeaders: [[String]]
    let requestBody: Body?
    let status: Int
    let responseHeaders: [[String]]
    let responseBody: Body?

    enum CodingKeys: String, CodingKey {
        case start, service, method, path, status
        case requestHeaders = "request_headers"
        case requestBody = "request_body"
        case responseHeaders = "response_headers"
        case responseBody = "response_body"
    }

    func requestHeader(_ name: String) -> String? { Self.header(name, requestHeaders) }
    func responseHeader(_ name: String) -> String? { Self.header(name, responseHeaders) }

    private static func header(_ name: String, _ headers: [[String]]) -> String? {
        headers.first { $0.first?.lowercased() == name.lowercased() }?.last
    }

    /// The exchanges of a committed file (`Fixtures/NAME.jsonl`).
    static func fixture(_ name: String, file: String = #filePath) throws -> [RecordedExchange] {
        let folder = file.split(separator: "/").dropLast().joined(separator: "/")
        return try load("/\(folder)/Fixtures/\(name).jsonl")
    }

    static func load(_ path: String) throws -> [RecordedExchange] {
        let text = try Data(contentsOf: URL(filePath: path))
        return try text.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Self.self, from: Data($0)) }
    }

    /// Folder with all recorded traffic, where it is at hand.
    static let archive: String? = {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let path = "/\(root)/shared/vectors"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()
}

/// JSON by its shape.
enum JSONShape: Decodable {
    case null, flag, number, text(String), list([JSONShape]), object([String: JSONShape])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if (try? container.decode(Bool.self)) != nil {
            self = .flag
        } else if (try? container.decode(Double.self)) != nil {
            self = .number
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let list = try? container.decode([JSONShape].self) {
            self = .list(list)
        } else {
            self = .object(try container.decode([String: JSONShape].self))
        }
    }

    init?(_ bytes: [UInt8]) {
        guard let shape = try? JSONDecoder().decode(JSONShape.self, from: Data(bytes)) else { return nil }
        self = shape
    }

    /// Where `other` differs in keys or types, or in the text of an error; `nil` if nowhere.
    func difference(from other: JSONShape, at path: String = "$") -> String? {
        switch (self, other) {
        case (.null, .null), (.flag, .flag), (.number, .number): return nil
        case (.text(let recorded), .text(let answered)):
            guard path.hasSuffix(".message"), Self.normalized(recorded) != Self.normalized(answered) else { return nil }
            return "\(path): \(recorded) / \(answered)"
        case (.list(let recorded), .list(let answered)):
            guard let first = recorded.first else { return answered.isEmpty ? nil : "\(path): recorded empty" }
            // The first leaf of a tree has no siblings.
            guard !answered.isEmpty else { return path.hasSuffix(".hashes") ? nil : "\(path): answered empty" }
            return answered.lazy.compactMap { first.difference(from: $0, at: "\(path)[]") }.first
        case (.object(let recorded), .object(let answered)):
            if let entry = Self.entry(recorded), let other = Self.entry(answered) {
                return entry.difference(from: other, at: "\(path).UUID")
            }
            guard recorded.keys.sorted() == answered.keys.sorted() else {
                return "\(path): keys \(recorded.keys.sorted()) / \(answered.keys.sorted())"
            }
            return recorded.lazy.compactMap { key, value in
                answered[key].flatMap { value.difference(from: $0, at: "\(path).\(key)") }
            }.first
        default: return "\(path): other type"
        }
    }

    /// `{UUID: entry}` is compared by the entry.
    private static func entry(_ object: [String: JSONShape]) -> JSONShape? {
        guard object.count == 1, let (key, value) = object.first, key.utf8.count == 80 else { return nil }
        return value
    }

    /// UUIDs and line numbers are the instance's own.
    private static func normalized(_ message: String) -> String {
        message.split(separator: " ").map { word in
            word.utf8.count == 80 ? "UUID" : word.hasSuffix("):") || word.hasSuffix("(line") ? "" : String(word)
        }.joined(separator: " ").split(separator: "1:").first.map(String.init) ?? ""
    }
}

extension JSONDecoder {
    /// Reads `tree_size` and `treeSize` alike.
    static var snakeCase: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}
