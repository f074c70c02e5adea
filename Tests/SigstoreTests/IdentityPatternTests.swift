import StrictJSON
import Support
import Testing

@testable import Sigstore

@Suite struct IdentityPatternTests {
    /// Fixtures/patterns/make.py says how RE2 was asked.
    @Test func `patterns are found where RE2 finds them, and refused where RE2 refuses them`() throws {
        let path = "\(packageRoot)/Tests/SigstoreTests/Fixtures/patterns/cases.json"
        guard case .array(let cases) = try JSONValue(parsing: Fixture.file(path)) else {
            throw Fixture.Missing(path: path)
        }
        #expect(cases.count == 4000)
        for entry in cases {
            guard case .array(let parts) = entry, parts.count == 3, let pattern = parts[0].text,
                let text = parts[1].text
            else { throw Fixture.Missing(path: "\(entry)") }
            let found = (try? IdentityPattern(pattern))?.search(text).isFound
            #expect(found.map(JSONValue.bool) ?? .null == parts[2], "\(entry)")
        }
    }

    @Test(arguments: [
        // each letter doubled the time
        (#"^https://github\.com/([a-z0-9]+-?)+/x/.*$"#, "https://github.com/" + String(repeating: "a", count: 5000)),
        (#"^https://github\.com/.*/.*/.*/.*main$"#, "https://github.com" + String(repeating: "/a", count: 2500)),
        ("(a*)*b", String(repeating: "a", count: 5000)), ("(?:a?){500}a{500}$", String(repeating: "a", count: 499)),
    ])
    func `a name cannot keep the verifier busy`(_ pattern: String, _ name: String) throws {
        let pattern = try IdentityPattern(pattern)
        let (isFound, steps) = pattern.search(name)
        #expect(!isFound)
        #expect(steps <= pattern.program.count * (name.unicodeScalars.count + 1))
    }

    @Test(arguments: [
        (#"^\w+!example\.com$"#, "admin!example.com", "\u{430}dmin!example.com"), (#"^svc\d!"#, "svc1!", "svc\u{661}!"),
        ("^[[:alpha:]]+$", "admin", "\u{430}dmin"), (#"^a\sb$"#, "a b", "a\u{A0}b"),
        (#"\badmin\b"#, "\u{430}dmin admin", "xadmin"),
    ])
    func `a look-alike of another script is not of an ASCII class`(_ pattern: String, _ name: String, _ alike: String) {
        #expect(CertificateIdentity.Pattern.regex(pattern).matches(name))
        #expect(!CertificateIdentity.Pattern.regex(pattern).matches(alike))
    }

    @Test(arguments: [
        ("ab(c", 3, "a ( that is not closed"), ("ab)c", 3, "a ) that closes nothing"),
        ("a[b", 2, "a [ that is not closed"),
        ("a**", 3, "* repeats a repetition"), ("*a", 1, "nothing stands before *"),
        ("a{2,1}", 2, "{2,1} counts backwards"),
        ("a{1001}", 2, "{1001} repeats something more than 1000 times, with all that is around it"),
        ("(a{40}){40}", 8, "{40} repeats something more than 1000 times, with all that is around it"),
        (
            "a{99999999999999999999}", 2,
            "{99999999999999999999} repeats something more than 1000 times, with all that is around it"
        ),
        (#"(a)\1"#, 4, "a reference back, which neither RE2 nor Go has"),
        ("a(?=b)", 2, "look-around, which neither RE2 nor Go has"),
        ("(?<!a)b", 1, "look-around, which neither RE2 nor Go has"), (#"a\y"#, 2, #"no such escape: \y"#),
        (#"a\"#, 2, "a backslash at the end"), ("[[:letter:]]", 2, "no such class: [:letter:]"),
        ("[z-a]", 2, "z-a runs backwards"),
        ("(?P<a-b>c)", 1, "a group's name is not of letters, digits and _"), ("(?x)a", 1, "no such group: (?x"),
        (
            #"\p{Greek}"#, 1,
            #"\p{Greek}: of Unicode's classes only general categories are known, by their short names"#
        ),
    ])
    func `what cannot be read says where and why`(_ pattern: String, _ position: Int, _ reason: String) {
        let fault = #expect(throws: PatternFault.self) { try IdentityPattern(pattern) }
        #expect(
            fault?.position == position && fault?.reason == reason && fault?.fix.isEmpty == false, "\(fault as Any)")
    }

    @Test func `nesting and size have an end`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth)
        }
        #expect(try IdentityPattern(nested(200)).search("a").isFound)
        #expect(throws: PatternFault.self) { try IdentityPattern(nested(201)) }
        #expect(throws: PatternFault.self) { try IdentityPattern(nested(100_000)) }
        #expect(throws: PatternFault.self) { try IdentityPattern("a" + String(repeating: "*(?i)", count: 100_000)) }
        #expect(try IdentityPattern("(?:abcdefgh){1000}").program.count == 8001)
        let tooLarge = #expect(throws: PatternFault.self) { try IdentityPattern("(?:abcdefghij){1000}") }
        #expect(tooLarge?.position == nil)
        // nothing, a thousand times, is nothing
        #expect(try IdentityPattern("^(?:(?:))" + "{1000}b$").search("b").isFound)
    }

    @Test(arguments: [
        ("^a$", false), (#"\Aa\z"#, false), ("^(a|b)$", false), ("^a$|^b$", false), ("^(?:a|b.*)$", false),
        ("^.*$", false),
        ("a", true), ("^a", true), ("a$", true), ("^a|b$", true), (#"^a\$"#, true), ("(?m)^a$", true), ("^a*|b$", true),
        ("(^)?a$", true), ("^a($)?", true), ("^a$|", true),
    ])
    func `a pattern is anchored if every way through it is`(_ pattern: String, _ isUnanchored: Bool) {
        #expect(CertificateIdentity.Pattern.regex(pattern).isUnanchored == isUnanchored)
    }

    @Test func `an identity that cannot be read says which, where, and what to do`() {
        let error = #expect(throws: SigstoreError.self) {
            try CertificateIdentity(subjectAlternativeName: .exact("x"), issuer: .regex("^https://(a"))
        }
        #expect(error?.code == "sigstore.pattern")
        #expect(
            error?.observed == "certificate issuer: not a regular expression: a ( that is not closed, at character 10")
        #expect(error?.fix == #"close it, or write \( for the character itself"#)
    }
}
