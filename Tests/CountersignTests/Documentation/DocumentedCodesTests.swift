import FoundationEssentials
import Sigstore
import Support
import Testing

@testable import Countersign

/// Whoever meets an error code finds it in docs/: what it means, what to do.
struct DocumentedCodesTests {
    @Test func `every error code of the sources stands in a page`() throws {
        // what stands between two backticks is a piece of its own; that other text is one, too, does no harm
        let pieces = try Self.texts("docs", ending: ".md").flatMap { $0.split(separator: "`") }
        let written = Set(pieces.map { String($0) })
        var words: Set<String> = []
        for text in try Self.texts("Sources", ending: ".swift") { words.formUnion(Self.words(in: text)) }
        let codes = words.subtracting(try Self.configurationKeys()).subtracting(Self.otherWords)
        #expect(codes.count > 250, "the sources are read as this test understands them")
        let missing = codes.subtracting(written).sorted()
        #expect(missing.isEmpty, "in no page of docs/, in backticks: \(missing.joined(separator: ", "))")
        #expect(Self.otherWords.subtracting(words).isEmpty, "what is not in the sources needs no exception")
    }

    /// Their codes are put together, which no reading of the sources finds.
    @Test func `every error code of a Sigstore service stands in a page`() throws {
        let written = Set(try Self.texts("docs", ending: ".md").flatMap { $0.split(separator: "`").map(String.init) })
        for service in [SigstoreService.fulcio, .timestampAuthority, .rekor, .identity] {
            let errors: [SigstoreError] = [
                .refused(service, status: 400, message: ""),
                .throttled(service, status: 429, retryAfter: nil, answerMayBeLost: false),
                .unavailable(service, detail: "", retryAfter: nil, answerMayBeLost: false),
                .badAnswer(service, detail: "", answerMayBeLost: false), .misconfigured(service, detail: ""),
                .cancelled(service, answerMayBeLost: false),
            ]
            for error in errors { #expect(written.contains(error.code), "\(error.code)") }
        }
    }

    @Test func `a code is found however it is written`() {
        let text = """
            case .one: "first.one"
            case .two(let name): "\\(name).two"
            let failure = Failure(code: "second.one", observed: "no code", fix: "nothing.")
            throw Problem(.notFound, "third.one", "there is none")
            let code = (error as? SigstoreError)?.code ?? "fourth_part.one"
            // not "fifth.one"
            let name = "root.json", version = "1.2"
            """
        #expect(Self.words(in: text) == ["first.one", "second.one", "third.one", "fourth_part.one"])
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

    /// Every literal `word.word`, whatever it is written for: codes have no form of their own that a test could go by.
    /// Names of files and versions are none.
    private static func words(in text: String) -> Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            for (place, part) in parts.enumerated() where place % 2 == 1 && isWellFormed(part) {
                found.insert(String(part))
            }
        }
        return found
    }

    /// `word.word`
    private static func isWellFormed(_ text: Substring) -> Bool {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        return words.count == 2 && words[1] != "json" && words[0].first?.isLetter == true
            && words.allSatisfy { !$0.isEmpty && $0.allSatisfy(letters.contains) }
    }

    /// The paths by which problems of a configuration are told.
    private static func configurationKeys() throws -> Set<String> {
        let log = ConfigurationSection.ProblemLog()
        _ = Configuration.parse(try Example.text(), directory: "/etc", sources: .example, log: log)
        return log.keys
    }

    /// A claim of Kubernetes tokens, and the name of a logger.
    private static let otherWords: Set<String> = ["kubernetes.io", "countersign.lab"]

    private static let letters = Set("abcdefghijklmnopqrstuvwxyz0123456789_")
}
