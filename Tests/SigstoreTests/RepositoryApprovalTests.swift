import Testing

@testable import Sigstore

@Suite struct RepositoryApprovalTests {
    let digest: ArtifactDigest
    let verifier: Verifier

    init() throws {
        digest = try Fixture.artifact()
        verifier = Verifier(root: try Fixture.root())
    }

    private func check(_ statement: Statement, _ repositories: [String]?) throws -> [String] {
        let envelope = Envelope(
            payload: statement.encoded(), payloadType: Statement.payloadType, signatures: [.init(sig: [1])])
        let bundle = UnverifiedBundle(
            version: .v03, material: .publicKey(hint: ""), content: .envelope(envelope), tlogEntries: [], timestamps: []
        )
        var steps: [VerificationStep] = []
        _ = try verifier.verifyArtifact(bundle, digest, expecting: nil, repositories, &steps)
        return steps.map(\.description)
    }

    @Test func `an approval counts in the repository it names and nowhere else`() throws {
        let approval = Statement.approval(of: digest, in: "reg.example/team/app", rule: "default")
        #expect(
            try check(approval, ["reg.example/team/app"]).contains {
                $0.hasPrefix("repository: approved for reg.example/team/app (against")
            })
        #expect(try check(approval, ["mirror.example/app", "reg.example/team/app"]).count == 2)
        let error = #expect(throws: VerificationError.self) { try check(approval, ["reg.example/other/app"]) }
        #expect(error?.check == .repository)
    }

    @Test func `without a repository to compare, the result says so`() throws {
        let approval = Statement.approval(of: digest, in: "reg.example/team/app", rule: "default")
        #expect(try check(approval, nil).last?.contains("not compared") == true)
    }

    @Test func `name and annotation must agree, and a group's name may carry a short digest`() throws {
        var approval = Statement.approval(of: digest, in: "reg.example/a", rule: "default")
        approval.subjects[0].name = "reg.example/b"
        #expect(throws: VerificationError.self) { try check(approval, ["reg.example/a"]) }
        approval.subjects[0].name = "reg.example/a@a52ae3765536"
        #expect(try check(approval, ["reg.example/a"]).count == 2)
    }

    @Test func `a statement of someone else names what it likes`() throws {
        let foreign = Statement(subjects: [.init(name: "a.txt", digest: ["sha256": digest.hex])])
        #expect(try check(foreign, ["reg.example/a"]).count == 1)
    }
}
