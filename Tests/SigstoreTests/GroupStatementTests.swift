import Testing

@testable import Sigstore

/// A statement about many images: every one of them is judged by what the statement says of it.
@Suite struct GroupStatementTests {
    private let digests: [ArtifactDigest]
    private let verifier: Verifier

    init() throws {
        digests = try (1...3).map { try ArtifactDigest("sha256:" + String(repeating: "\($0)", count: 64)) }
        verifier = Verifier(root: try Fixture.root())
    }

    private func bundle(_ statement: Statement) -> UnverifiedBundle {
        UnverifiedBundle(
            version: .v03, material: .publicKey(hint: ""),
            content: .envelope(
                Envelope(
                    payload: statement.encoded(), payloadType: Statement.payloadType, signatures: [.init(sig: [1])])),
            tlogEntries: [], timestamps: [])
    }

    private func check(_ statement: Statement, _ digest: ArtifactDigest, _ repository: String) throws {
        var steps: [VerificationStep] = []
        _ = try verifier.verifyArtifact(
            bundle(statement), digest, expecting: Statement.cosignSignPredicateType, [repository], &steps)
    }

    @Test func `each subject counts in its own repository and in no sibling's`() throws {
        let statement = Statement.approval(of: [
            .init(digests[0], in: "reg.example/a", rule: "all"), .init(digests[1], in: "reg.example/b", rule: "all"),
        ])
        try check(statement, digests[0], "reg.example/a")
        try check(statement, digests[1], "reg.example/b")
        for (digest, repository) in [(digests[0], "reg.example/b"), (digests[1], "reg.example/a")] {
            let error = #expect(throws: VerificationError.self) { try check(statement, digest, repository) }
            #expect(error?.check == .repository)
        }
        let error = #expect(throws: VerificationError.self) { try check(statement, digests[2], "reg.example/a") }
        #expect(error?.check == .subject)
    }

    @Test func `of one image approved in two repositories the approval of the one asked about is shown`() throws {
        let statement = Statement.approval(of: [
            .init(digests[0], in: "reg.example/a", rule: "release", generation: 2),
            .init(digests[0], in: "reg.example/b", rule: "dev", generation: 1),
        ])
        func shown(_ repositories: [String]?) throws -> [String: String] {
            var steps: [VerificationStep] = []
            let claim = try verifier.verifyArtifact(bundle(statement), digests[0], expecting: nil, repositories, &steps)
            guard case .statement(_, let subject) = claim else { throw Fixture.Missing(path: "statement") }
            return subject.annotations
        }
        for (repository, rule, generation) in [("reg.example/a", "release", "2"), ("reg.example/b", "dev", "1")] {
            let annotations = try shown([repository])
            #expect(annotations[Statement.repositoryAnnotation] == repository)
            #expect(annotations[Statement.ruleAnnotation] == rule)
            #expect(annotations[Statement.generationAnnotation] == generation)
        }
        #expect(try shown(["mirror.example/c", "reg.example/b"])[Statement.ruleAnnotation] == "dev")
        #expect(try shown(nil)[Statement.ruleAnnotation] == "release", "nothing was asked about: the first")
    }

    @Test func `names differ by their digests, and a later generation says so of its subject alone`() throws {
        let statement = Statement.approval(of: [
            .init(digests[0], in: "reg.example/a", rule: "all"),
            .init(digests[1], in: "reg.example/a", rule: "all", generation: 2),
        ])
        #expect(statement.subjects.map(\.name) == ["reg.example/a@111111111111", "reg.example/a@222222222222"])
        #expect(
            statement.subjects.map { $0.annotations[Statement.generationAnnotation] } == [nil, "2"])
    }

    @Test func `a statement about as many images as are read is read`() throws {
        let many = try (0..<Statement.maxSubjects).map { number in
            let hex = String(number, radix: 16)
            return Statement.Approved(
                try ArtifactDigest("sha256:" + String(repeating: "0", count: 64 - hex.count) + hex),
                in: "reg.example/a",
                rule: "all")
        }
        let statement = Statement.approval(of: many)
        #expect(try Statement(json: statement.encoded()) == statement)
        let more = Statement.approval(of: many + [.init(digests[0], in: "reg.example/a", rule: "all")])
        #expect(throws: SigstoreError.self) { try Statement(json: more.encoded()) }
    }
}
