import FoundationEssentials
import Support
import Testing

/// Whoever searches the logs finds in docs/operations.md, section 4, what each key is.
struct DocumentedLogKeysTests {
    /// The keys in the first column of the section's table.
    private static func documented() throws -> Set<String> {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/operations.md", encoding: .utf8)
        let section = page.split(separator: "\n").drop { !$0.hasPrefix("## 4. Logs") }.prefix { !$0.hasPrefix("## 5.") }
        return Set(
            section.filter { $0.hasPrefix("| `") }.flatMap { row in
                let cells = row.split(separator: "|", omittingEmptySubsequences: false)
                return cells[1].split(separator: "`").map(String.init).filter { $0.contains(where: \.isLetter) }
            })
    }

    /// The keys of metadata that the sources write: before a text (`"key": "…"`), or as a subscript.
    private static func written() throws -> Set<String> {
        let folder = "\(packageRoot)/Sources/Countersign"
        var found: Set<String> = []
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where name.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            guard text.contains("logger") || text.contains("Logger") || text.contains("trace.") else { continue }
            for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                found.formUnion(keys(in: line))
            }
        }
        return found
    }

    private static func keys(in line: Substring) -> Set<String> {
        let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
        var found: Set<String> = []
        for (place, part) in parts.enumerated() where place % 2 == 1 && place + 1 < parts.count {
            let isKey = parts[place + 1] == ": " && place + 2 < parts.count
            let isSubscript = ["metadata[", "metadataKey: "].contains { parts[place - 1].hasSuffix($0) }
            if isKey || isSubscript, part.allSatisfy({ $0.isLowercase || $0 == "." || $0 == "_" }), !part.isEmpty {
                found.insert(String(part))
            }
        }
        return found
    }

    @Test func `the table of keys has all that are written, and no other`() throws {
        let (documented, written) = (try Self.documented(), try Self.written())
        #expect(written.count > 50, "the sources are read as this test understands them")
        #expect(written.subtracting(documented).sorted() == [], "in no row of the table")
        #expect(documented.subtracting(written).sorted() == [], "written by nobody")
    }

    @Test func `a key is found in each of the forms in which it is written`() {
        let line = """
            note(.info, "signed", ["tlog.index": "\\(index)", "stage": "log"]); metadata["tag"] = tag; logger[metadataKey: "job.id"] = "1"
            """
        #expect(Self.keys(in: line[...]) == ["tlog.index", "stage", "tag", "job.id"])
    }
}
