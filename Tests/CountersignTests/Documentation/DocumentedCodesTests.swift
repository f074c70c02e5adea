import FoundationEssentials
import Support
import Testing

/// Whoever meets an error code finds it in docs/: what it means, what to do.
struct DocumentedCodesTests {
    @Test func `every error code of the sources stands in a page`() throws {
        // what stands between two backticks is a piece of its own; that other text is one, too, does no harm
        let pieces = try Self.texts("docs", ending: ".md").flatMap { $0.split(separator: "`") }
        let written = Set(pieces.map { String($0) })
        var codes: Set<String> = []
        for text in try Self.texts("Sources", ending: ".swift") { codes.formUnion(Self.codes(in: text)) }
        #expect(codes.count > 150, "the sources are read as this test understands them")
        let missing = codes.subtracting(written).sorted()
        #expect(missing.isEmpty, "in no page of docs/, in backticks: \(missing.joined(separator: ", "))")
    }

    @Test func `codes are found in each of the forms in which they are written`() {
        let text = """
            var code: String {
                switch self {
                case .one: "first.one"
                case .two(let name): "\\(name).two"
                }
            }
            let said = "no.code"
            let failure = Failure(code: "second.one", observed: "nothing", fix: "nothing")
            static let thirdCode = "third.one"
            package var code: String { "fourth_part.one" }
            """
        #expect(Self.codes(in: text) == ["first.one", "second.one", "third.one", "fourth_part.one"])
    }

    /// The last column of the crash table (docs/architecture.md, section 5) names tests and scripts.
    @Test func `every test that the crash table names is there`() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/architecture.md", encoding: .utf8)
        let table = page.split(separator: "\n").drop { !$0.hasPrefix("| dies after") }.dropFirst(2).prefix {
            $0.hasPrefix("|")
        }
        let named = table.flatMap { row in
            let cells = row.split(separator: "|")
            let parts = cells[cells.count - 1].split(separator: "`", omittingEmptySubsequences: false)
            return parts.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
        }
        #expect(table.count > 40 && named.count > 40, "the table is read as this test understands it")
        let tests = Set(
            try Self.texts("Tests", ending: ".swift").flatMap { text in
                text.split(separator: "func `").dropFirst().compactMap {
                    $0.split(separator: "`").first.map(String.init)
                }
            })
        let missing = Set(named).filter { !tests.contains($0) && !$0.hasPrefix("make ") }
        #expect(missing.isEmpty, "no such test: \(missing.sorted().joined(separator: ", "))")
    }

    /// The texts of all files below a folder of the package, but for what is not the service's.
    private static func texts(_ folder: String, ending suffix: String) throws -> [String] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: "\(packageRoot)/\(folder)")
        return try names.filter { name in
            name.hasSuffix(suffix) && !name.hasPrefix("SigstoreLab/") && !name.hasPrefix("PushLoad/")
        }.map { try String(contentsOfFile: "\(packageRoot)/\(folder)/\($0)", encoding: .utf8) }
    }

    /// Literals in the braces of `var code: String`, behind `code: `, and of constants whose names end in `Code`.
    private static func codes(in text: String) -> Set<String> {
        var found: Set<String> = []
        var depth = 0
        for line in text.split(separator: "\n") where depth > 0 || line.contains("ode") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            let opens = depth == 0 && line.contains("var code: String {")
            for (place, part) in parts.enumerated() where place % 2 == 1 {
                let before = parts[place - 1]
                let isCode = depth > 0 || opens || before.hasSuffix("code: ") || before.hasSuffix("Code = ")
                if isCode, isWellFormed(part) { found.insert(String(part)) }
            }
            guard depth > 0 || opens else { continue }
            depth += line.filter { $0 == "{" }.count - line.filter { $0 == "}" }.count
        }
        return found
    }

    /// `word.word`
    private static func isWellFormed(_ text: Substring) -> Bool {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        return words.count == 2 && words.allSatisfy { !$0.isEmpty && $0.allSatisfy(letters.contains) }
    }

    private static let letters = Set("abcdefghijklmnopqrstuvwxyz0123456789_")
}
