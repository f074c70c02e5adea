import FailPoints
import FoundationEssentials
import Support
import Testing

@testable import Countersign

/// How a fail point is named and refused. What happens at one needs a build that has them: scripts/fail-points.
@Suite struct FailPointTests {
    @Test func `a setting names side, step, action and passage`() throws {
        let once = try FailPointSetting(parsing: "after-record-entry:kill")
        #expect(once.side == .after && once.step == "record-entry" && once.action == .kill && once.passage == 1)
        let third = try FailPointSetting(parsing: "before-log:hang:15@3")
        #expect(
            third.side == .before && third.step == "log" && third.action == .hang(seconds: 15) && third.passage == 3)
        #expect(try FailPointSetting(parsing: "after-log:drop").action == .drop)
        #expect(try FailPointSetting(parsing: "before-settle:error@2").action == .error)
    }

    @Test(arguments: [
        "", "prepare", "prepare:kill", "after-prepare", "after-prepare:", "during-prepare:kill", "after-prepare:panic",
        "after-prepare:kill:9", "after-prepare:hang", "after-prepare:hang:0", "after-prepare:hang:soon",
        "after-prepare:hang:99999", "after-prepare:kill@0", "after-prepare:kill@", "after-prepare:kill@x",
        "after-prepare:kill@1@2", "after-prepare:drop:1",
    ])
    func `what is no setting is refused`(_ text: String) {
        #expect(throws: FailPointError.malformed(text)) { try FailPointSetting(parsing: text) }
    }

    @Test func `serve refuses a fail point in production, and nothing is armed without one`() throws {
        var configuration = Configuration.doors
        configuration.environment = .production
        #expect(throws: PreflightError.failPointInProduction) {
            try Preflight(configuration).failPoint("after-prepare:kill")
        }
        for environment in [Configuration.Environment.production, .development] {
            configuration.environment = environment
            for nothing in [nil, ""] {
                #expect(throws: Never.self) { try Preflight(configuration).failPoint(nothing) }
            }
        }
    }

    @Test func `a build without fail points says that it has none`() throws {
        var configuration = Configuration.doors
        configuration.environment = .development
        let error = #expect(throws: PreflightError.self) { try Preflight(configuration).failPoint("after-lunch:kill") }
        #expect(error == .failPoint(.notCompiledIn))
        #expect(throws: PreflightError.failPoint(.malformed("lunch"))) {
            try Preflight(configuration).failPoint("lunch")
        }
    }

    /// As a setting names them: `record-entry`.
    private static let steps = Set(
        FailPoint.allCases.map { "\($0)".reduce(into: "") { $0 += $1.isUppercase ? "-\($1.lowercased())" : "\($1)" } })

    /// What stands in its text between two of these, every other piece.
    private static func quoted(_ text: some StringProtocol, by mark: Character) -> [String] {
        text.split(separator: mark, omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    /// The first column of the crash table (docs/architecture.md, section 5) has `after-prepare`, `-sign`, `attest/…`, `…-publish`.
    @Test func `every point stands in the crash table, and the table names no other`() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/architecture.md", encoding: .utf8)
        let table = page.split(separator: "\n").drop { !$0.hasPrefix("| dies after") }.dropFirst(2).prefix {
            $0.hasPrefix("|")
        }
        var named: Set<String> = []
        for place in table.flatMap({ Self.quoted($0.split(separator: "|")[0], by: "`") }) {
            let words = place.split(separator: "/").last?.split(separator: ":").first?.split(separator: "-") ?? []
            let step = words.drop { ["before", "after", "…"].contains($0) }.joined(separator: "-")
            if !step.isEmpty { named.insert(step) }
        }
        #expect(Self.steps.subtracting(named).isEmpty, "no row: \(Self.steps.subtracting(named).sorted())")
        #expect(named.subtracting(Self.steps).isEmpty, "no point: \(named.subtracting(Self.steps).sorted())")
    }

    @Test func `the cells of the matrix are of points and lines that there are`() throws {
        let script = try String(contentsOfFile: "\(packageRoot)/scripts/fail_point_lines.py", encoding: .utf8)
        let parts = script.split(separator: "\nREACHED = ")
        try #require(parts.count == 2)
        let lines = parts[0].split(separator: "\n").filter { $0.contains("\": Line(") }.flatMap {
            Self.quoted($0, by: "\"").prefix(1)
        }
        let named = Set(Self.quoted(parts[1], by: "\""))
        #expect(lines.count > 15 && named.count > 40, "the script is read as this test understands it")
        #expect(named.subtracting(Self.steps).subtracting(lines).isEmpty, "\(named)")
    }

    @Test func `every stage of the line is a point of its own`() {
        #expect(Set(SigningStage.allCases.map { "\($0.failPoint)" }).count == SigningStage.allCases.count)
    }
}
