import Testing

@testable import Countersign

@Suite struct RetentionConfigurationTests {
    @Test func `without the section everything has its usual time, and the history of tags is kept`() throws {
        let retention = try Self.parse("").retention
        #expect(retention == RetentionConfiguration())
        #expect(retention.events == .seconds(14 * 86_400) && retention.tagHistory == .zero)
    }

    @Test func `all of it can be said`() throws {
        let retention = try Self.parse(
            "retention: {events: 2d, dead_letters: 3d, batches: 4d, tag_history: 5d, deleted_artifacts: 0}"
        ).retention
        let days = [retention.events, retention.deadLetters, retention.batches, retention.tagHistory].map {
            $0 / .seconds(86_400)
        }
        #expect(days == [2, 3, 4, 5] && retention.deletedArtifacts == .zero)
    }

    @Test(arguments: ["events", "dead_letters", "batches", "tag_history", "deleted_artifacts"])
    func `less than a day is told by its place`(_ key: String) throws {
        for value in ["1h"] + (["events", "dead_letters", "batches"].contains(key) ? ["0"] : []) {
            do {
                _ = try Self.parse("retention: {\(key): \(value)}")
                Issue.record("\(key): \(value) was taken")
            } catch let error as ConfigurationError {
                #expect(error.problems.map(\.path) == ["retention.\(key)"])
            }
        }
    }

    private static func parse(_ section: String) throws -> Configuration {
        try Configuration.parse(minimal + "\n" + section, directory: "/etc", sources: .example)
    }
}
