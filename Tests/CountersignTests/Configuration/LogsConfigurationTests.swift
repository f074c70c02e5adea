import FoundationEssentials
import Sigstore
import Testing

@testable import Countersign

@Suite struct LogsConfigurationTests {
    private static let tiles = "{name: tiles, version: 2, url: 'https://log.example', tiles_url: 'https://t.example'}"
    private static let rekor = "rekor: {url: https://rekor.example.com}"

    private static let witness = "witness.example.com+94947cf1+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"

    @Test func `witnesses of a host are those of its logs, unless a log has its own`() throws {
        let watch = "witnesses: [{logs: ['log*.example'], keys: ['\(Self.witness)']}]"
        let own = "witnesses: {keys: ['\(Self.witness)'], quorum: 0}"
        let tiles = "{name: b, version: 2, url: 'https://log2.example', \(own)}"
        let sigstore = try Self.parse("logs: [\(Self.tiles), \(tiles)]\n  \(watch)").sigstore
        #expect(sigstore.witnesses.map(\.quorum) == [1])
        let logs = try sigstore.services(nil, at: Date()).logs
        #expect(logs.map(\.witnessQuorum) == [1, 0] && logs.map(\.witnesses.count) == [1, 1])
    }

    @Test func `logs stand in place of rekor, or after it`() throws {
        let alone = try Self.parse("logs: [\(Self.tiles)]").sigstore.services(nil, at: Date()).logs
        #expect(alone.map(\.name) == ["tiles"] && alone.map(\.api) == [.v2])
        #expect(alone.map(\.tilesURL) == ["https://t.example"] && alone.map(\.upstream.url) == ["https://log.example"])
        let both = try Self.parse("\(Self.rekor)\n  logs: [\(Self.tiles)]").sigstore.services(nil, at: Date()).logs
        #expect(both.map(\.name) == ["rekor", "tiles"] && both.map(\.api) == [.v1, .v2])
        let usual = try Self.parse("logs: [{name: a, url: 'https://log.example'}]").sigstore.logs
        #expect(usual.map(\.api) == [.v1] && usual.map(\.tilesURL) == [nil])
    }

    @Test(arguments: [
        ("logs: []", ["sigstore.rekor"]),
        ("logs: [{name: a, version: 0, url: 'https://log.example'}]", ["sigstore.logs[0].version"]),
        ("logs: [{name: a, version: 2, url: 'https://log.example', timeout: 19s}]", ["sigstore.logs[0].timeout"]),
        ("logs: [{name: a, version: 2, url: 'https://log.example', timeout: 0s}]", ["sigstore.logs[0].timeout"]),
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
        ("\(rekor)\n  witnesses: [{logs: ['*'], keys: []}]", ["sigstore.witnesses[0].keys"]),
        ("\(rekor)\n  witnesses: [{keys: ['\(witness)']}]", ["sigstore.witnesses[0].logs"]),
        ("\(rekor)\n  witnesses: [{logs: ['*'], keys: ['\(witness)'], quorum: 2}]", ["sigstore.witnesses[0].quorum"]),
        ("\(rekor)\n  witnesses: [{logs: ['*'], keys: [nobody]}]", ["sigstore.witnesses[0].keys"]),
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
