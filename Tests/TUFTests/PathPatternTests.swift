import Testing

@testable import TUF

@Suite struct PathPatternTests {
    @Test(arguments: [
        ("targets/*.tgz", "targets/foo.tgz", true), ("targets/*.tgz", "targets/foo.txt", false),
        ("foo-version-?.tgz", "foo-version-2.tgz", true), ("foo-version-?.tgz", "foo-version-alpha.tgz", false),
        ("*.tgz", "foo.tgz", true), ("*.tgz", "targets/foo.tgz", false), ("foo.tgz", "foo.tgz", true),
        ("foo.tgz", "Foo.tgz", false), ("*", "", true), ("", "", true), ("", "a", false), ("?", "", false),
        ("*", "a/b", false), ("*/*", "a/b", true), ("?", "/", false), ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false), ("**", "abc", true), ("[abc].txt", "b.txt", true), ("[a-c].txt", "d.txt", false),
        ("[!a-c].txt", "d.txt", true), ("[]].txt", "].txt", true), ("[a", "[a", true), ("[!/]", "/", false),
        ("é", "e\u{301}", false), ("?", "é", true), ("?", "e\u{301}", false), ("[a-]", "-", true), ("a/", "a", false),
    ])
    func `a pattern matches as a shell's would, and no wildcard crosses a slash`(
        _ pattern: String, _ path: String, _ matches: Bool
    ) {
        #expect(PathPattern(pattern).matches(path) == matches)
    }

    @Test func `many stars take no exponential time`() {
        let pattern = String(repeating: "*a", count: 200) + "b"
        #expect(!PathPattern(pattern).matches(String(repeating: "a", count: 5000)))
    }
}
