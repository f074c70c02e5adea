/// The stream cipher XSalsa20 (Bernstein, "Extending the Salsa20 nonce", 2011), which OpenSSL does not have.
///
/// Additions, rotations and exclusive ors of 32-bit words only: nothing in it depends on the secret in time.
enum XSalsa20 {
    /// The first `count` bytes of the key stream. The key has 32 bytes, the nonce 24.
    static func stream(key: [UInt8], nonce: [UInt8], count: Int) -> [UInt8] {
        precondition(key.count == 32 && nonce.count == 24, "XSalsa20 takes a key of 32 bytes and a nonce of 24")
        let subkey = hsalsa20(key: words(key[...]), input: words(nonce[..<16]))
        let rest = words(nonce[16...])
        var stream: [UInt8] = []
        stream.reserveCapacity((count + 63) / 64 * 64)
        var block: UInt64 = 0
        while stream.count < count {
            let counter = [UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32)]
            let start = state(key: subkey, input: rest + counter)
            let end = doubleRounds(start)
            for (first, second) in zip(start, end) { append(first &+ second, to: &stream) }
            block += 1
        }
        return Array(stream.prefix(count))
    }

    /// The subkey for a long nonce: the Salsa20 core without its last addition, diagonal and input words only.
    static func hsalsa20(key: [UInt32], input: [UInt32]) -> [UInt32] {
        let end = doubleRounds(state(key: key, input: input))
        return [0, 5, 10, 15, 6, 7, 8, 9].map { end[$0] }
    }

    static func words(_ bytes: ArraySlice<UInt8>) -> [UInt32] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 4).map { index in
            bytes[index..<index + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
    }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    /// "expand 32-byte k" on the diagonal, the key around it, nonce and counter (or the long nonce) in the middle.
    private static func state(key: [UInt32], input: [UInt32]) -> [UInt32] {
        let sigma: [UInt32] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]
        return [sigma[0]] + key[0..<4] + [sigma[1]] + input + [sigma[2]] + key[4..<8] + [sigma[3]]
    }

    private static func doubleRounds(_ start: [UInt32]) -> [UInt32] {
        var x = start
        func quarter(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
            x[b] ^= rotated(x[a] &+ x[d], 7)
            x[c] ^= rotated(x[b] &+ x[a], 9)
            x[d] ^= rotated(x[c] &+ x[b], 13)
            x[a] ^= rotated(x[d] &+ x[c], 18)
        }
        for _ in 0..<10 {
            quarter(0, 4, 8, 12)
            quarter(5, 9, 13, 1)
            quarter(10, 14, 2, 6)
            quarter(15, 3, 7, 11)
            quarter(0, 1, 2, 3)
            quarter(5, 6, 7, 4)
            quarter(10, 11, 8, 9)
            quarter(15, 12, 13, 14)
        }
        return x
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
}
