import FoundationEssentials
import OCI
import Testing

@Suite struct DigestTests {
    static let hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    @Test func `a digest is computed and recognised`() throws {
        let digest = try Digest(Self.hello)
        #expect(Digest.sha256(of: Array("hello".utf8)) == digest)
        #expect(digest.matches(Array("hello".utf8)))
        #expect(!digest.matches(Array("hellp".utf8)))
        #expect(digest.description == Self.hello)
    }

    @Test func `a sha512 digest is checked under its own algorithm`() throws {
        let digest = try Digest(
            "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7"
                + "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043")
        #expect(digest.matches(Array("hello".utf8)))
        #expect(digest.algorithm == .sha512)
    }

    @Test func `a digest travels through JSON as a string`() throws {
        let digest = try Digest(Self.hello)
        let json = try JSONEncoder().encode([digest])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(Self.hello)\"]")
        #expect(try JSONDecoder().decode([Digest].self, from: json) == [digest])
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode([Digest].self, from: Data("[\"sha256:00\"]".utf8))
        }
    }

    @Test(arguments: [
        // no algorithm, or one that is not registered
        "", "sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", ":abc",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "SHA256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        // a length that is not the algorithm's
        "sha256:", "sha256:2cf24d", "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b98244",
        "sha512:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        // characters outside [a-f0-9]: a second spelling of one digest, a path, another script's digits
        "sha256:2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824",
        "sha256:../4dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "sha256:２cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b98",
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b982\n",
    ])
    func `what is not a digest is refused`(text: String) {
        #expect { try Digest(text) } throws: { ($0 as? OCIError)?.code == "digest.malformed" }
    }
}
