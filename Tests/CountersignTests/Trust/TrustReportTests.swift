import FoundationEssentials
import Sigstore
import Testing

@testable import Countersign

/// What `trust show` says.
@Suite struct TrustReportTests {
    private static let signingConfig = """
        {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
         "caUrls":[{"url":"https://ca.example","majorApiVersion":1,"operator":"a",
           "validFor":{"start":"2020-01-01T00:00:00Z"}}],
         "rekorTlogUrls":[
           {"url":"https://old.example","majorApiVersion":2,"operator":"a",
            "validFor":{"start":"2020-01-01T00:00:00Z","end":"2025-12-31T23:59:59Z"}},
           {"url":"https://new.example","majorApiVersion":2,"operator":"a","validFor":{"start":"2025-01-01T00:00:00Z"}}]}
        """

    private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    @Test func `authorities, logs and services say when they hold and which are used`() throws {
        let role = TrustRole(
            name: "timestamp", version: 7, expires: try date("2026-02-01T00:00:00Z"), threshold: 1, keyIDs: ["k"])
        let trust = try Trust(
            TrustDocuments(
                trustedRoot: try TrustedRootSample().json, signingConfig: Array(Self.signingConfig.utf8), roles: [role]),
            origin: "here")
        let report = TrustReport(trust, isOffline: true, at: try date("2026-01-01T00:00:00Z"))
        #expect(report.origin == "here" && report.offline && !report.lab)
        #expect(report.roles.map(\.expired) == [false])
        #expect(report.certificateAuthorities.map(\.root) == ["CN=root,O=example"])
        #expect(report.certificateAuthorities[0].rootSha256.count == 64 && report.certificateAuthorities[0].current)
        #expect(report.logs.map(\.baseUrl) == ["https://log.example"] && report.logs[0].logId.count == 64)
        #expect(report.services.filter(\.chosen).map(\.url) == ["https://ca.example", "https://new.example"])

        let earlier = TrustReport(trust, isOffline: false, at: try date("2023-01-01T00:00:00Z"))
        #expect(earlier.services.filter(\.chosen).map(\.url) == ["https://ca.example", "https://old.example"])
        #expect(!earlier.logs[0].current)
        let later = TrustReport(trust, isOffline: false, at: try date("2026-02-01T00:00:00Z"))
        #expect(later.roles.map(\.expired) == [true], "at its end a role has expired")
    }
}
