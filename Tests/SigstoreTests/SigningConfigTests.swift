import FoundationEssentials
import StrictJSON
import Testing

@testable import Sigstore

/// Which services a signing configuration chooses, and when.
@Suite struct SigningConfigTests {
    /// A service in short: operator, version, first and last year.
    private struct Row {
        let name: String
        let version: Int
        let start: Int
        let end: Int?

        init(_ name: String, _ version: Int, _ start: Int, _ end: Int? = nil) {
            (self.name, self.version, self.start, self.end) = (name, version, start, end)
        }

        var json: String {
            let last = end.map { ",\"end\":\"\($0)-12-31T23:59:59Z\"" } ?? ""
            return """
                {"url":"https://\(name)-\(version)-\(start).example","majorApiVersion":\(version),"operator":"\(name)",
                 "validFor":{"start":"\(start)-01-01T00:00:00Z"\(last)}}
                """
        }
    }

    private static func config(_ rows: [Row], _ selector: String, tsa: [Row] = []) throws -> SigningConfig {
        let list = rows.map(\.json).joined(separator: ",")
        return try SigningConfig(
            json: Array(
                """
                {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[\(list)],
                 "rekorTlogUrls":[\(list)],"rekorTlogConfig":\(selector),"tsaUrls":[\(tsa.map(\.json).joined(separator: ","))],
                 "tsaConfig":{"selector":"ANY"}}
                """.utf8))
    }

    private static let any = #"{"selector":"ANY"}"#
    private static let all = #"{"selector":"ALL"}"#
    private static let two = #"{"selector":"EXACT","count":2}"#

    private static func time(_ text: String) throws -> Date { try #require(Date(rfc3339: text)) }

    @Test func `a recorded configuration is read`() throws {
        let config = try SigningConfig(json: Fixture.bytes("signing_config-rekor1-tsa.json"))
        let now = try Self.time("2026-11-23T00:00:00Z")
        #expect(try config.logs(at: now).map(\.url) == ["http://127.0.0.1:47120"])
        #expect(throws: SigstoreError.self) { try config.logs(at: now, supporting: [2]) }
        #expect(throws: SigstoreError.self) { try config.logs(at: .distantPast) }
    }

    @Test func `of one operator the highest version that we speak is used, of these the newest`() throws {
        let rows = [Row("a", 1, 2025), Row("a", 2, 2024), Row("a", 2, 2025), Row("a", 3, 2026), Row("a", 2, 2027)]
        let now = try Self.time("2026-06-01T00:00:00Z")
        let config = try Self.config(rows, Self.all)
        #expect(try config.logs(at: now).map(\.url) == ["https://a-2-2025.example"])
        #expect(try config.logs(at: now, supporting: [1]).map(\.url) == ["https://a-1-2025.example"])
        #expect(try config.certificateAuthority(at: now).url == "https://a-1-2025.example")
    }

    @Test func `the selector says how many operators, the newest first`() throws {
        let rows = [Row("a", 2, 2024), Row("b", 2, 2026), Row("c", 1, 2025), Row("b", 1, 2025)]
        let now = try Self.time("2026-06-01T00:00:00Z")
        let urls = ["https://b-2-2026.example", "https://c-1-2025.example", "https://a-2-2024.example"]
        #expect(try Self.config(rows, Self.any).logs(at: now).map(\.url) == Array(urls.prefix(1)))
        #expect(try Self.config(rows, Self.two).logs(at: now).map(\.url) == Array(urls.prefix(2)))
        #expect(try Self.config(rows, Self.all).logs(at: now).map(\.url) == urls)
    }

    @Test func `too few operators are refused, not made up for`() throws {
        let now = try Self.time("2026-06-01T00:00:00Z")
        let config = try Self.config([Row("a", 2, 2024), Row("a", 1, 2025)], Self.two)
        let error = #expect(throws: SigstoreError.self) { try config.logs(at: now) }
        #expect(error?.observed.contains("2 services of different operators are wanted, 1 can be used") == true)
        #expect(throws: SigstoreError.self) { try Self.config([], Self.all).logs(at: now) }
        #expect(throws: SigstoreError.self) { try Self.config([Row("a", 7, 2024)], Self.any).logs(at: now) }
    }

    @Test func `validity includes both its ends, and a shard rotates at them`() throws {
        let config = try Self.config([Row("a", 2, 2024, 2025), Row("a", 2, 2026)], Self.any)
        #expect(try config.logs(at: Self.time("2025-12-31T23:59:59Z")).map(\.url) == ["https://a-2-2024.example"])
        #expect(try config.logs(at: Self.time("2026-01-01T00:00:00Z")).map(\.url) == ["https://a-2-2026.example"])
        #expect(throws: SigstoreError.self) { try config.logs(at: Self.time("2023-12-31T23:59:59Z")) }
    }

    @Test func `no timestamp authority is none, an unusable one is an error`() throws {
        let now = try Self.time("2026-06-01T00:00:00Z")
        #expect(try Self.config([Row("a", 1, 2024)], Self.any).authorities(at: now).isEmpty)
        let future = try Self.config([Row("a", 1, 2024)], Self.any, tsa: [Row("t", 1, 2030)])
        #expect(throws: SigstoreError.self) { try future.authorities(at: now) }
    }

    @Test(arguments: [
        #"{"selector":"SOME"}"#, #"{"selector":"EXACT"}"#, #"{"selector":"EXACT","count":0}"#, "{}", "[]",
        #"{"selector":"EXACT","count":-1}"#,
    ])
    func `a malformed selector is refused`(_ selector: String) {
        #expect(throws: SigstoreError.self) { try Self.config([Row("a", 1, 2024)], selector) }
    }

    @Test func `a client trust configuration is both documents`() throws {
        let root = try JSONValue(parsing: Fixture.bytes("trusted_root.json"))
        let config = try JSONValue(parsing: Fixture.bytes("signing_config-rekor1-tsa.json"))
        let type = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        func document(_ type: String, _ root: JSONValue, _ config: JSONValue) -> [UInt8] {
            JSONValue.object(["mediaType": .string(type), "trustedRoot": root, "signingConfig": config]).encoded()
        }
        let both = try ClientTrustConfig(json: document(type, root, config))
        #expect(both.trustedRoot.tlogs.map(\.baseURL) == (try Fixture.root()).tlogs.map(\.baseURL))
        #expect(both.signingConfig.tlogs.count == 1)
        #expect(try TrustedRoot(json: both.trustedRootJSON).ctLogs.count == 1)
        #expect(try SigningConfig(json: both.signingConfigJSON).tlogs.count == 1)
        #expect(throws: SigstoreError.self) { try ClientTrustConfig(json: document("\(type);x", root, config)) }
        #expect(throws: SigstoreError.self) { try ClientTrustConfig(json: document(type, config, config)) }
        #expect(throws: SigstoreError.self) { try ClientTrustConfig(json: document(type, root, root)) }
        #expect(throws: SigstoreError.self) { try ClientTrustConfig(json: document(type, root, .null)) }
    }
}
