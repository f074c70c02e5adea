import FoundationEssentials
import Support
import Testing

/// Whoever sets an alarm by docs/operations.md sets it on figures that the daemon shows, by labels that they have, and finds in
/// the runbook what to do.
struct DocumentedMetricsTests {
    /// The lines of the section on metrics, and those of its table of alerts.
    struct Page {
        let metrics: [Substring]
        let alerts: [Substring]
        let whole: String

        init() throws {
            whole = try String(contentsOfFile: "\(packageRoot)/docs/operations.md", encoding: .utf8)
            let section = whole.split(separator: "\n").drop { !$0.hasPrefix("## 3. Metrics") }
                .prefix { !$0.hasPrefix("## 4.") }
            metrics = section.prefix { !$0.hasPrefix("### Alerts") }.filter { $0.hasPrefix("| `") }
            alerts = section.drop { !$0.hasPrefix("### Alerts") }.filter { $0.hasPrefix("| ") }.dropFirst().map { $0 }
        }

        /// The labels of each figure, by the table.
        var labels: [String: Set<String>] {
            var labels: [String: Set<String>] = [:]
            for row in metrics {
                let cells = row.split(separator: "|", omittingEmptySubsequences: false)
                guard cells.count > 3 else { continue }
                for name in DocumentedMetricsTests.names(in: cells[1]) {
                    labels[name] = Set(cells[2].split { $0 == "," || $0 == " " }.map(String.init))
                }
            }
            return labels
        }

        /// What alerts read the growth of: each figure with its labels, as far as they are written out, as `a_total{ class="x`.
        var increases: [String] {
            alerts.flatMap { $0.split(separator: "increase(", omittingEmptySubsequences: false).dropFirst() }.map {
                call in
                let name = call.prefix { $0 != "{" && $0 != "[" }
                guard call.dropFirst(name.count).hasPrefix("{") else { return "\(name){" }
                let labels = call.dropFirst(name.count + 1).prefix { $0 != "}" }.split(separator: ",").map { label in
                    label.replacing("=~", with: "=").prefix { $0 != "\\" && $0 != "." }
                }
                return (["\(name){"] + labels.map { $0.hasSuffix("\"") ? String($0.dropLast()) : String($0) })
                    .joined(separator: " ")
            }
        }
    }

    /// Every `countersign_…` that a text has.
    private static func names(in text: some StringProtocol) -> Set<String> {
        Set(
            String(text).split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }
                .filter { $0.hasPrefix("countersign_") }.map(String.init))
    }

    /// Those that the sources make.
    private static func exported() throws -> Set<String> {
        let folder = "\(packageRoot)/Sources/Countersign"
        var found: Set<String> = []
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where name.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            let pieces = text.split(separator: "\"", omittingEmptySubsequences: false)
            for (before, literal) in zip(pieces, pieces.dropFirst()) where literal.hasPrefix("countersign_") {
                let call = String(before.suffix(60)).split { $0.isWhitespace }.last ?? ""
                if ["counter(", "gauge(", "histogram("].contains(where: call.hasSuffix) {
                    found.insert(String(literal))
                }
            }
        }
        return found
    }

    @Test func `the table of figures has all that are shown, and no other`() throws {
        let (documented, exported) = (Set(try Page().labels.keys), try Self.exported())
        #expect(exported.count > 50, "the sources are read as this test understands them")
        #expect(exported.subtracting(documented).sorted() == [], "in no row of the table")
        #expect(documented.subtracting(exported).sorted() == [], "shown by nobody")
    }

    @Test func `alerts are set on figures and labels that there are`() throws {
        let page = try Page()
        let labels = page.labels
        #expect(page.alerts.count > 15, "the table is read as this test understands it")
        for row in page.alerts {
            for name in Self.names(in: row) {
                let known = try #require(labels[name], "\(name) of '\(row)' is no figure")
                // name{label="value", …}
                for selector in row.split(separator: name, omittingEmptySubsequences: false).dropFirst()
                where selector.hasPrefix("{") {
                    for part in selector.dropFirst().prefix(while: { $0 != "}" }).split(separator: ",") {
                        let label = part.prefix { $0.isLetter || $0 == "_" }
                        #expect(known.contains(String(label)), "\(name) has no label \(label)")
                    }
                }
            }
        }
    }

    @Test func `every alert has its entry in the runbook`() throws {
        let page = try Page()
        let entries = page.alerts.flatMap { row in
            row.split(separator: "|").last?.split { $0 == " " || $0 == "," || $0 == ":" }
                .filter { $0.hasPrefix("7.") } ?? []
        }
        #expect(entries.count > 15)
        for entry in entries { #expect(page.whole.contains("\n**\(entry) "), "no \(entry)") }
    }
}
