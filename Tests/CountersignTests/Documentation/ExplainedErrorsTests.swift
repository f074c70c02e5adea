import FoundationEssentials
import Support
import Testing

/// Whoever meets an error is told its code and what to do, wherever it is met.
struct ExplainedErrorsTests {
    /// Of a request or a delivery, and told as a problem; of one signature among others; of a request that was not sent, which
    /// its client's error has.
    private static let others: Set<String> = ["IntakeError", "OIDCFault", "Problem", "SignatureRejection", "Withheld"]

    @Test func `every set of errors that has codes is told by jobs, commands and the doctor`() throws {
        var (sets, explained): (Set<String>, Set<String>) = ([], [])
        let folder = "\(packageRoot)/Sources"
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where name.hasSuffix(".swift") {
            // programs of their own, and what a command says by itself
            guard !["SigstoreLab/", "PushLoad/", "CountersignCLI/"].contains(where: name.hasPrefix) else { continue }
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            explained.formUnion(Self.types(in: text, that: "Explained"))
            if text.contains(" code: String") { sets.formUnion(Self.types(in: text, that: "Error")) }
        }
        #expect(sets.count > 15, "the sources are read as this test understands them")
        #expect(sets.subtracting(explained) == Self.others)
    }

    @Test func `a set is found however it is declared`() {
        let text = """
            public enum OneError: Error, Sendable {
            package struct Two: Sendable, Error, Equatable {
                struct Malformed: Error { let code: String }
            extension Three: Error {}
            /// enum Four: Error
            enum Five: String {
            """
        #expect(Self.types(in: text, that: "Error") == ["OneError", "Two", "Malformed", "Three"])
    }

    /// Types that are declared to conform, a line each.
    private static func types(in text: String, that protocolName: String) -> Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
            let head = line.prefix { $0 != "{" }.split(separator: ":", maxSplits: 1)
            let words = head.first?.split(separator: " ") ?? []
            guard head.count == 2, words.count >= 2, ["enum", "struct", "extension"].contains(words[words.count - 2])
            else { continue }
            let conformances = head[1].split(separator: ",").map { $0.filter { $0 != " " } }
            if conformances.contains(protocolName) { found.insert(String(words[words.count - 1])) }
        }
        return found
    }
}
