import FoundationEssentials
import Testing

@testable import Sigstore

@Suite struct TimeTextTests {
    @Test func `times are RFC 3339 and nothing else`() {
        #expect(Date(rfc3339: "2026-11-23T19:19:56Z")?.unixSeconds == 1_795_461_596)
        #expect(Date(rfc3339: "2026-11-23T20:19:56+01:00")?.unixSeconds == 1_795_461_596)
        #expect(Date(rfc3339: "2022-12-31T23:59:59.999Z")?.timeIntervalSince1970 == 1_672_531_199.999)
        #expect(Date(rfc3339: "1969-12-31T23:59:59Z")?.unixSeconds == -1)
        #expect(Date(rfc3339: "2024-02-29T00:00:00Z")?.unixSeconds == 1_709_164_800)
        for text in [
            "", "2026-11-23", "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2026-11-23T19:19:56",
            "2026-11-23T24:00:00Z", "2026-11-23T19:19:56.Z", "2026-11-23 19:19:56Z", "2026-11-23T19:19:56Zx",
        ] {
            #expect(Date(rfc3339: text) == nil, "\(text)")
        }
    }
}
