import FoundationEssentials
import Testing

@testable import Sigstore

@Suite struct EncodingTests {
    @Test func `base64 has one spelling for each byte string`() {
        for (bytes, text) in [([], ""), ([0xFB], "+w=="), ([0xFB, 0xFF], "+/8="), ([0, 1, 2], "AAEC")]
            as [([UInt8], String)]
        {
            #expect(Base64.encode(bytes) == text)
            #expect(Base64.decode(text) == bytes)
        }
        for text in [
            "A", "AA", "AAA", "AA=", "AB==", "AAB=", "=", "====", "A===", "AAAA=", "AA==AA==", "-w==", "AA A", "AAEC\n",
            "é===",
        ] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
        #expect(Base64.decodeURLSafe("-_8") == [0xFB, 0xFF])
        #expect(Base64.decodeURLSafe("+/8") == nil)
    }

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
