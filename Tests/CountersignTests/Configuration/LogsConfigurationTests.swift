import FoundationEssentials
import Testing

@testable import Countersign

@Suite struct LogsConfigurationTests {
    private static let tiles = "{name: tiles, version: 2, url: 'https://log.example', tiles_url: 'https://t.example'}"
    private static let rekor = "rekor: {url: https://rekor.example.com}"

    @Test func `logs stand in place of rekor, or after it`() throws {
        let alone = try Self.parse("logs: [\(Self.tiles)]").sigstore.services(nil, at: Date()).logs
        #expect(alone.map(\.name) == ["tiles"] && alone.map(\.version) == [2])
        #expect(alone.map(\.tilesURL) == ["https://t.example"] && alone.map(\.upstream.url) == ["https://log.example"])
        let both = try Self.parse("\(Self.rekor)\n  logs: [\(Self.tiles)]").sigstore.services(nil, at: Date()).logs
        #expect(both.map(\.name) == ["rekor", "tiles"] && both.map(\.version) == [1, 2])
        let usual = try Self.parse("logs: [{name: a, url: 'https://log.example'}]").sigstore.logs
        #expect(usual.map(\.version) == [1] && usual.map(\.tilesURL) == [nil])
    }

    @Test(arguments: [
        ("logs: []", ["sigstore.rekor"]),
        ("logs: [{name: a, version: 3, url: 'https://log.example'}]", ["sigstore.logs[0].version"]),
        ("logs: [{name: A b, url: 'https://log.example'}]", ["sigstore.logs[0].name"]),
        ("logs: [{url: 'https://log.example'}]", ["sigstore.logs[0].name"]),
        ("logs: [{name: a}]", ["sigstore.logs[0].url"]),
        ("logs: [{name: a, url: 'http://log.example'}]", ["sigstore.logs[0].url"]),
        ("logs: [{name: a, url: 'https://log.example', tiles_url: 'https://t'}]", ["sigstore.logs[0].tiles_url"]),
        (
            "logs: [{name: a, version: 2, url: 'https://log.example', tiles_url: 'http://t'}]",
            ["sigstore.logs[0].tiles_url"]
        ),
        (
            "logs: [{name: a, version: 2, url: 'https://log.example', tiles_url: nowhere}]",
            ["sigstore.logs[0].tiles_url", "sigstore.logs[0].tiles_url"]
        ),
        (
            "logs: [{name: a, url: 'https://log.example'}, {name: a, url: 'https://b.example'}]",
            ["sigstore.logs[1].name"]
        ),
        ("\(rekor)\n  logs: [{name: rekor, url: 'https://b.example'}]", ["sigstore.logs[0].name"]),
        ("logs: [{name: a, url: 'https://log2025-1.rekor.sigstore.dev'}]", ["sigstore.logs[0].url"]),
    ])
    func `a log that cannot be used is told by its place`(_ keys: String, _ paths: [String]) throws {
        #expect(throws: ConfigurationError.self) { try Self.parse(keys) }
        do {
            _ = try Self.parse(keys)
        } catch let error as ConfigurationError {
            #expect(error.problems.map(\.path) == paths)
        }
    }

    private static func parse(_ keys: String) throws -> Configuration {
        try Configuration.parse(minimal.replacing(rekor, with: keys), directory: "/etc", sources: .example)
    }
}
