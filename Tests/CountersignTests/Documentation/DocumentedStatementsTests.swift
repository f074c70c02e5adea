import FoundationEssentials
import Sigstore
import Support
import Testing

@testable import Countersign

/// Whoever asks what we could be made to sign finds every kind of statement in docs/threat_model.md.
struct DocumentedStatementsTests {
    /// Beside these there are the documents' own types.
    private static let signed: Set<String> = [
        Statement.cosignSignPredicateType, ReferencePredicate.type, AuditHead.predicateType,
    ]

    @Test func `the table has the predicate types of all that is signed as us`() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/threat_model.md", encoding: .utf8)
        let table = page.split(separator: "\n").drop { !$0.hasPrefix("| predicate type |") }.prefix {
            $0.hasPrefix("|")
        }
        let types = table.dropFirst(2).map { row in
            row.split(separator: "|")[0].filter { $0 != "`" }.split(separator: " ").joined(separator: " ")
        }
        #expect(types.count == Self.signed.count + 1)
        #expect(Set(types) == Self.signed.union(["the document's own"]))
    }

    @Test func `no other predicate type is declared in the sources`() throws {
        var declared: Set<String> = []
        for folder in ["Countersign", "Sigstore"].map({ "\(packageRoot)/Sources/\($0)" }) {
            for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where name.hasSuffix(".swift") {
                for line in try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).split(separator: "\n") {
                    let parts = line.split(separator: "= \"https://")
                    guard parts.count == 2, parts[0].contains("static let "),
                        parts[0].lowercased().hasSuffix("type ")
                    else { continue }
                    declared.insert("https://" + parts[1].prefix { $0 != "\"" })
                }
            }
        }
        #expect(declared == Self.signed)
    }
}
