import OpenSSL
import Testing

@Suite struct HashTests {
    @Test(arguments: [
        (DigestAlgorithm.sha1, "a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d"),
        (.sha256, "ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad"),
        (
            .sha384,
            """
            cb00753f 45a35e8b b5a03d69 9ac65007 272c32ab 0eded163 1a8b605a 43ff5bed
            8086072b a1e7cc23 58baeca1 34c825a7
            """
        ),
        (
            .sha512,
            """
            ddaf35a1 93617aba cc417349 ae204131 12e6fa4e 89a97ea2 0a9eeee6 4b55d39a
            2192992a 274fc1a8 36ba3c23 a3feebbd 454d4423 643ce80e 2a9ac94f a54ca49f
            """
        ),
    ])
    func `the digest of abc is the one FIPS 180 prints`(algorithm: DigestAlgorithm, expected: String) {
        #expect(Hash.digest(algorithm, Array("abc".utf8)) == hex(expected))
        #expect(Hash.digest(algorithm, "abc".utf8.reversed().reversed()) == hex(expected))
        #expect(algorithm.byteCount == hex(expected).count)
    }

    @Test func `the empty message has its known digest`() {
        let empty = hex("e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b 7852b855")
        #expect(Hash.sha256([UInt8]()) == empty)
        #expect(SHA256Stream().finish() == empty)
    }

    @Test func `a stream gives the digest of its pieces joined`() {
        var stream = SHA256Stream()
        for piece in [[UInt8](repeating: 7, count: 100), [], [UInt8](repeating: 9, count: 65)] { stream.update(piece) }
        let digest = stream.finish()
        #expect(digest == Hash.sha256([UInt8](repeating: 7, count: 100) + [UInt8](repeating: 9, count: 65)))
    }
}

@Suite struct HMACTests {
    /// RFC 4231 §4.2, §4.3 and §4.7 (a key longer than a block); RFC 2202 §3 for SHA-1.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func `HMAC-SHA-256 gives the answers of RFC 4231`(key: [UInt8], message: String, expected: String) {
        #expect(HMAC.sha256(key: key, message: Array(message.utf8)) == hex(expected))
    }

    @Test func `HMAC-SHA-1 gives the answer of RFC 2202`() {
        let code = HMAC.sha1(key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8))
        #expect(code == hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"))
    }

    @Test func `an empty key and message are hashed, not refused`() {
        let expected = hex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
        #expect(HMAC.sha256(key: [], message: []) == expected)
    }

    @Test func `comparison sees equality, difference and different lengths`() {
        #expect(constantTimeEqual(Array("secret".utf8), Array("secret".utf8)))
        #expect(!constantTimeEqual(Array("secret".utf8), Array("secreT".utf8)))
        #expect(!constantTimeEqual(Array("secret".utf8), Array("secret ".utf8)))
        #expect(!constantTimeEqual([], [0]))
        #expect(constantTimeEqual([], []))
    }

    @Test func `random bytes have the length asked for and do not repeat`() {
        #expect(SecureRandom.bytes(0).isEmpty)
        let draws = (0..<64).map { _ in SecureRandom.bytes(32) }
        #expect(draws.allSatisfy { $0.count == 32 })
        #expect(Set(draws).count == 64)
    }
}
