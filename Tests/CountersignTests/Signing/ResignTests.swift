import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Signatures made anew: a generation of their own, beside the old ones or in their place.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ResignTests {
    private func open(
        _ line: SigningLine, _ digest: OCI.Digest, removing: Bool = false, batch: Int64 = 1
    ) async throws -> JobQueue.OpenedGeneration? {
        let repository = line.repository
        return try await line.database.pool.together { session in
            try JobQueue.openGenerations(
                [.init(repository: repository, digest: digest, rule: "all", policyVersion: "v1", formats: [.bundle])],
                .init(reason: "a new identity", removesOlder: removing, by: "operator", batch: batch), in: session)
        }.first
    }

    private func annotation(_ bundle: AttachedBundle) throws -> String? {
        guard case .envelope(let envelope) = try UnverifiedBundle(json: bundle.bytes).content else { return nil }
        return try Statement(json: envelope.payload).subjects.first?.annotations[Statement.generationAnnotation]
    }

    @Test func `another signature says its generation and has its own entry, and the old one stays`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        let first = try #require(try await line.signature(of: digest))

        guard case .opened = try await open(line, digest) else { throw SupportError("not opened") }
        // asked again while it is on its way: it is the same one
        guard case .joined = try await open(line, digest, batch: 2) else { throw SupportError("not joined") }
        try await daemon.workOff()
        let status = try #require(try await line.database.records.status(of: digest, in: line.repository))
        #expect(status.state == .signed && status.generation == 1)
        #expect(status.signature?.logIndex != first.logIndex && status.signature?.referrer != first.referrer)
        #expect(try await line.logEntries(about: digest).count == 2)
        let bundles = try await line.referrers(of: digest)
        #expect(Set(try bundles.map(annotation)) == [nil, "1"])
        #expect(try await line.verify(digest).signatures.count == 2)

        let history = try await line.database.records.history(of: digest, in: line.repository)
        #expect(history.generations.map(\.number) == [1, 0])
        #expect(history.generations.map(\.reason) == ["a new identity", nil])
        #expect(history.generations.map(\.isRemoved) == [false, false])
    }

    @Test(arguments: FormatTests.combinations)
    func `the old ones are taken out of the lists if that is asked`(_ formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(.formats(formats))
        try await daemon.workOff()
        _ = try await open(line, digest, removing: true)
        try await daemon.workOff()
        #expect(try await line.database.records.status(of: digest, in: line.repository)?.state == .signed)
        let bundles = try await line.referrers(of: digest)
        #expect(bundles.count == (formats.contains(.bundle) ? 1 : 0))
        #expect(try bundles.map(annotation).allSatisfy { $0 == "1" })
        #expect(try await line.legacyLayers(of: digest).count == (formats.contains(.legacy) ? 1 : 0))
        let history = try await line.database.records.history(of: digest, in: line.repository)
        #expect(history.generations.map(\.isRemoved) == [false, true])
        #expect(try await line.database.jobCount() == 0)
    }

    @Test func `a generation that takes older ones out of the lists is a row of the audit log, once`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        func told() async throws -> [AuditLog.Entry] {
            try await AuditLog(pool: line.database.pool).latest(10).filter { $0.action == "artifact.withdraw" }
        }
        _ = try await open(line, digest)
        try await daemon.workOff()
        #expect(try await told().isEmpty, "the older one stays")

        _ = try await open(line, digest, removing: true, batch: 2)
        try await daemon.workOff()
        // another look finds nothing more to take out
        try await line.push(digest)
        try await daemon.workOff()
        let acts = try await told()
        #expect(acts.map(\.detail) == ["earlier generations unlisted, generation 2"])
        #expect(acts.map(\.actor) == ["daemon"] && acts.map(\.subject) == [digest.description])
        #expect(acts.map(\.repository) == [line.repository.description])
    }

    @Test func `an image whose documents are listed as bundles keeps a signature that is one`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        // the rule's formats changed: cosign looks for no layer where it sees a bundle
        _ = try await open(line, digest, removing: true)
        try await line.daemon(.formats([.legacy])).workOff()
        let spdx = try PredicateType("spdxjson").uri
        #expect(Set(try await line.statements(of: digest).map(\.type)) == [Statement.cosignSignPredicateType, spdx])
        #expect(try await line.legacyLayers(of: digest).count == 1)
        // the next one is a bundle again, and stands for all before it
        _ = try await open(line, digest, removing: true, batch: 2)
        try await daemon.workOff()
        let signatures = try await line.statements(of: digest).filter { $0.type == Statement.cosignSignPredicateType }
        #expect(signatures.count == 1)
        #expect(try await line.legacyLayers(of: digest).isEmpty)
    }

    @Test func `a look again at an older generation ends, and a push is about the newest`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        // the look again is in a worker's hands when the new generation is asked for
        try await line.push(digest)
        let claim = try await daemon.claimOne()
        _ = try await open(line, digest, removing: true)
        await daemon.attempt(claim)
        #expect(
            try await line.database.text(
                "SELECT state FROM countersign.target WHERE generation = 0 AND digest = \(digest.description)::text")
                == "signed")
        try await daemon.workOff()
        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.logEntries(about: digest).count == 2)
        #expect(try await line.referrers(of: digest).count == 1)
        let generations = try await line.database.records.history(of: digest, in: line.repository).generations
        #expect(generations.map(\.state) == [.signed, .signed] && generations.count == 2)
    }

    @Test func `after the loss of the database the first generation is adopted, and the next one is made`() async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon().workOff()
        let after = try await line.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon().workOff()
        #expect(try await after.logEntries(about: digest).count == 1)
        _ = try await open(after, digest)
        try await after.daemon().workOff()
        #expect(try await after.logEntries(about: digest).count == 2)
        #expect(try await after.referrers(of: digest).count == 2)
    }
}
