import StrictJSON
import Testing

@testable import Sigstore

@Suite struct StatementTests {
    @Test func `cosign's statement is written byte for byte`() throws {
        let envelope = try Fixture.envelope()
        let statement = try Statement(json: envelope.payload)
        #expect(statement.encoded() == envelope.payload)
        #expect(Envelope.preAuthenticationEncoding(type: "t/é", payload: [0x78]) == Array("DSSEv1 4 t/é 1 x".utf8))
    }

    @Test func `an approval carries name, repository and rule in a fixed order`() throws {
        let statement = Statement.approval(of: try Fixture.artifact(), in: "reg.example/app", rule: "default")
        #expect(
            String(decoding: statement.encoded(), as: UTF8.self)
                == #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"reg.example/app","digest":{"sha256":"a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9"},"annotations":{"dev.countersign/repository":"reg.example/app","dev.countersign/rule":"default"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#
        )
        #expect(try Statement(json: statement.encoded()) == statement)
    }

    @Test(arguments: [
        #"{}"#, #"[]"#, #"{"_type":"x","subject":[{"digest":{"sha256":"00"}}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{}}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"sha256:00"}}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"AB"}}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":1}}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}]}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"Subject":[],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"},"x":1}],"predicateType":"p"}"#,
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"p","predicate":[]}"#,
    ])
    func `a malformed statement is refused`(json: String) {
        #expect(throws: SigstoreError.self) { try Statement(json: Array(json.utf8)) }
    }

    @Test func `all that in-toto says of a subject is read, and a predicate of text`() throws {
        let json = #"""
            {"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"n","uri":"u","digest":{"sha256":"00"},
            "content":"","downloadLocation":"d","mediaType":"m","annotations":{"a":1}}],"predicateType":"p","predicate":"SPDX"}
            """#
        #expect(try Statement(json: Array(json.utf8)).predicate == .string("SPDX"))
    }

    @Test func `more than 1,024 subjects are refused`() throws {
        let subject = Statement.Subject(digest: ["sha256": String(repeating: "0", count: 64)])
        _ = try Statement(json: Statement(subjects: Array(repeating: subject, count: 1024)).encoded())
        #expect(throws: SigstoreError.self) {
            try Statement(json: Statement(subjects: Array(repeating: subject, count: 1025)).encoded())
        }
    }

    @Test func `a predicate of millions of values is no tree until somebody asks for it, and subjects are few values`()
        throws
    {
        let zeros = String(repeating: "0,", count: Statement.maxValues) + "0"
        let subject = #"{"digest":{"sha256":"00"}"#
        let large =
            #"{"_type":"\#(Statement.typeV1)","subject":[\#(subject)}],"predicateType":"p","predicate":{"a":[\#(zeros)]}}"#
        let statement = try Statement(json: Array(large.utf8))
        guard case .array(let values)? = statement.predicate["a"] else { return #expect(Bool(false), "no predicate") }
        #expect(values.count == Statement.maxValues + 1)
        let annotated =
            #"{"_type":"\#(Statement.typeV1)","subject":[\#(subject),"annotations":{"a":[\#(zeros)]}}],"predicateType":"p"}"#
        #expect(throws: SigstoreError.self) { try Statement(json: Array(annotated.utf8)) }
    }

    @Test(arguments: [
        #""predicate_type":"p""#, #""predicateType":"p","predicate":null"#,
    ])
    func `members are read by the rules of ProtoJSON`(members: String) throws {
        let text = #"{"_type":"\#(Statement.typeV1)","subject":[{"digest":{"sha256":"00"}}],\#(members)}"#
        let statement = try Statement(json: Array(text.utf8))
        #expect(statement.predicateType == "p" && statement.predicate == .null)
    }

    @Test(arguments: [
        "", "sha256", "sha256:", "sha256:AB", "md5:00", "sha256:" + String(repeating: "0", count: 63),
        "sha256:" + String(repeating: "A", count: 64),
    ])
    func `a malformed digest is refused`(text: String) {
        #expect(throws: SigstoreError.self) { try ArtifactDigest(text) }
    }
}
