import FailPoints
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

    @Test func `every stage of the line is a point of its own`() {
        #expect(Set(SigningStage.allCases.map { "\($0.failPoint)" }).count == SigningStage.allCases.count)
    }
}
