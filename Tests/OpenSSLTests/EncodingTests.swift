import OpenSSL
import Testing

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
    }

    @Test func `base64url has no padding and its own alphabet`() {
        for bytes: [UInt8] in [[], [0xFB], [0xFB, 0xFF], [0xFB, 0xFF, 0xFE]] {
            #expect(Base64.decodeURLSafe(Base64.encodeURLSafe(bytes)) == bytes)
        }
        #expect(Base64.encodeURLSafe([0xFB, 0xFF]) == "-_8")
        for text in ["+/8", "-_8=", "-_9", "A", "-_ 8"] { #expect(Base64.decodeURLSafe(text) == nil, "\(text)") }
    }

    @Test func `hexadecimal is written in lower case and read in either`() {
        #expect(Hex.encode([0x00, 0x0F, 0xAB]) == "000fab")
        #expect(Hex.decode("000FaB") == [0x00, 0x0F, 0xAB])
        for text in ["0", "0g", " 00", "0x00", "００"] { #expect(Hex.decode(text) == nil, "\(text)") }
    }
}
