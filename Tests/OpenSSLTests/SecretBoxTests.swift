import Testing

@testable import OpenSSL

@Suite struct SecretBoxTests {
    /// `tests/secretbox.c` of NaCl 20110221, and `tests/core1.c` for the subkey.
    static let key = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    static let nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
    static let message = hex(
        """
        be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4\
        1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52\
        f0a089bc76897040e082f937763848645e0705
        """)
    static let box = hex(
        """
        f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b\
        4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da\
        99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5
        """)

    @Test func `the published vector opens and seals`() throws {
        #expect(try SecretBox.open(Self.box, nonce: Self.nonce, key: Self.key) == Self.message)
        #expect(try SecretBox.seal(Self.message, nonce: Self.nonce, key: Self.key) == Self.box)
    }

    @Test func `the published subkey comes out`() {
        let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
        let subkey = XSalsa20.hsalsa20(key: XSalsa20.words(shared[...]), input: [0, 0, 0, 0])
        #expect(subkey == XSalsa20.words(Self.key[...]))
    }

    @Test func `the stream goes on over blocks`() {
        let long = XSalsa20.stream(key: Self.key, nonce: Self.nonce, count: 1000)
        #expect(long.count == 1000)
        for count in [0, 1, 63, 64, 65, 128] {
            #expect(XSalsa20.stream(key: Self.key, nonce: Self.nonce, count: count) == Array(long.prefix(count)))
        }
        // the 64-bit block counter of block 1 must change the block
        #expect(Array(long[0..<64]) != Array(long[64..<128]))
    }

    @Test func `the authenticator is that of RFC 8439`() throws {
        let key = hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
        let tag = try SecretBox.poly1305(Array("Cryptographic Forum Research Group".utf8), key: key)
        #expect(tag == hex("a8061dc1305136c6c22b8baf0c0127a9"))
    }

    @Test func `any flipped bit keeps a box shut`() {
        for position in [0, 15, 16, 40, Self.box.count - 1] {
            var box = Self.box
            box[position] ^= 1
            #expect(throws: CryptoError.signatureInvalid) {
                try SecretBox.open(box, nonce: Self.nonce, key: Self.key)
            }
        }
        var key = Self.key
        key[31] ^= 0x80
        #expect(throws: CryptoError.signatureInvalid) { try SecretBox.open(Self.box, nonce: Self.nonce, key: key) }
    }

    @Test(arguments: [(15, 24, 32), (200, 23, 32), (200, 24, 31), (0, 0, 0)])
    func `a wrong length is refused`(box: Int, nonce: Int, key: Int) {
        let error = #expect(throws: CryptoError.self) {
            try SecretBox.open(
                [UInt8](repeating: 0, count: box), nonce: [UInt8](repeating: 0, count: nonce),
                key: [UInt8](repeating: 0, count: key))
        }
        #expect(error?.code == "crypto.malformed")
    }
}

@Suite struct KeyDerivationTests {
    /// RFC 7914 §12.
    @Test(arguments: [
        (
            "password", "NaCl", 1024, 8, 16,
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        ),
        (
            "pleaseletmein", "SodiumChloride", 16384, 8, 1,
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        ),
        (
            "", "", 16, 1, 1,
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        ),
    ])
    func `the published keys come out`(password: String, salt: String, n: Int, r: Int, p: Int, expected: String) throws
    {
        let key = try KeyDerivation.scrypt(
            password: Array(password.utf8), salt: Array(salt.utf8), n: n, r: r, p: p, count: 64)
        #expect(key == hex(expected))
    }

    @Test(arguments: [
        (1, 8, 1), (0, 8, 1), (-2, 8, 1), (1000, 8, 1), (1 << 22, 8, 1), (1 << 30, 1, 1), (65536, 1024, 1),
        (65536, 8, 0), (65536, 8, 17), (65536, 0, 1), (16, Int.max, 1), (1 << 20, 4, 2), (Int.max, 8, 1),
    ])
    func `costs that a file must not choose are refused`(n: Int, r: Int, p: Int) {
        let error = #expect(throws: CryptoError.self) {
            try KeyDerivation.scrypt(password: [1], salt: [2], n: n, r: r, p: p, count: 32)
        }
        #expect(error?.code == "crypto.unsupported")
    }
}
