import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// A batch asks for fewer formats than the rule names: what is signed, what is said of it, and what completes it.
@Suite(.serialized, .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct AskedFormatsTests {
    static let both = SigningLine.Setup.formats([.bundle, .legacy])

    private func status(_ line: SigningLine, _ digest: OCI.Digest) async throws -> ArtifactStatus {
        try #require(try await line.database.records.status(of: digest, in: line.repository))
    }

    @Test(arguments: [SignatureFormat.bundle, .legacy])
    func `one format alone is signed, re-checks keep to it, and a push completes the other`(
        _ format: SignatureFormat
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon(Self.both)
        try await line.ask(digest, for: [format])
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [format])
        let signed = try await status(line, digest)
        #expect(signed.formats == [format] && signed.signature?.formats == [format])

        try await line.recheckAll(with: daemon)
        try await line.expectSignedOnce(digest, in: [format])

        try await line.push(digest)
        let pushed = try await status(line, digest)
        #expect(pushed.recheck && pushed.formats == nil && pushed.signature?.formats == [format])
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        let complete = try await status(line, digest)
        #expect(!complete.recheck && complete.signature?.formats == [.bundle, .legacy])
        try await line.recheckAll(with: daemon)
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
    }

    @Test(arguments: CrashTests.points)
    func `whoever dies with one format, and a push comes meanwhile, both are made once`(
        _ point: CrashTests.Point
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.ask(digest, for: [.bundle])
        let first = try await line.daemon(Self.both)
        let hold = FaultRelay.Hold()
        point.relay(line).next(point.acted ? .answerHeld(hold) : .held(hold), where: point.counted())
        let claim = try await first.claimOne()
        let zombie = Task { await first.attempt(claim) }
        await hold.reached()

        try await line.push(digest)
        try await line.giveUpHolders()
        try await line.daemon(Self.both).workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        hold.release()
        await zombie.value
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
    }

    @Test func `what asks for another format during an attempt has it made by the next`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.ask(digest, for: [.bundle])
        let daemon = try await line.daemon(Self.both)
        let claim = try await daemon.claimOne()
        try await line.ask(digest, for: [.legacy])
        await daemon.attempt(claim)
        #expect(try await status(line, digest).signature?.formats == [.bundle])
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(try await status(line, digest).formats == [.bundle, .legacy])
    }

    @Test func `what was begun in a format is finished, although it is not asked for any more`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(Self.both)
        let entries = CrashTests.Count()
        line.rekor.next(.answered(503)) { $0.method == "POST" && entries.next() == 2 }
        try await daemon.attemptAll()
        #expect(try await line.evidenceRows(of: digest).live == 2)
        #expect(try await line.database.cancelAll() == [.cancelled])
        try await line.ask(digest, for: [.bundle])
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
    }

    @Test func `a format that the rule lost is refused, and what was signed in it stands`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.ask(digest, for: [.legacy])
        try await line.daemon(.formats([.bundle])).workOff()
        #expect(try await line.state(digest) == "refused")
        #expect(try await line.failure(digest)?.code == "policy.format")
        try await line.expectNothingPublic(digest)

        try await line.ask(digest, for: [.legacy])
        try await line.daemon(Self.both).workOff()
        try await line.expectSignedOnce(digest, in: [.legacy])
        try await line.recheckAll(with: try await line.daemon(.formats([.bundle])))
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.failure(digest)?.code == "policy.format")
    }

    @Test func `bundles alone of a rule with both are grouped, and a member of which more is wanted is not`()
        async throws
    {
        let line = try await SigningLine()
        let digests = try await line.images(4)
        try await line.queueGroup(digests, formats: [.bundle])
        try await line.ask(digests[3], for: [.legacy])
        let daemon = try await line.daemon(Self.both)
        try await daemon.workOffGroups()
        try await line.expectSignedOnce(Array(digests[..<3]))
        #expect(try await line.subjects(of: digests[0]) == 3)
        try await line.expectSignedOnce(digests[3], in: [.bundle, .legacy])

        try await line.push(digests[0])
        try await daemon.workOffGroups()
        try await line.expectSignedOnce(digests[0], in: [.bundle, .legacy])
        try await line.expectSignedOnce(digests[1], in: [.bundle])
    }

    @Test func `of a generation in one format the older signature in the other stays until that is made, too`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(Self.both)
        try await daemon.workOff()
        let (old, layers) = (try await line.referrers(of: digest), try await line.legacyLayers(of: digest))
        try await line.signAnew([digest], in: [.bundle], removing: true)
        try await daemon.workOff()
        let anew = try await line.referrers(of: digest)
        #expect(anew.count == 1 && anew.map(\.manifest.digest) != old.map(\.manifest.digest))
        #expect(try await line.legacyLayers(of: digest) == layers)
        #expect(try await status(line, digest).signature?.formats == [.bundle])

        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.referrers(of: digest).map(\.manifest.digest) == anew.map(\.manifest.digest))
        let complete = try await line.legacyLayers(of: digest)
        #expect(complete.count == 1 && complete != layers)
    }

    @Test func `children get the formats of their index, and a push of the index completes them as well`() async throws
    {
        let line = try await SigningLine()
        let multi = try await line.index()
        let index = multi.index.descriptor.digest
        let all = [index] + multi.images.map(\.descriptor.digest)
        var setup = Self.both
        setup.rules[0].index = .both
        let daemon = try await line.daemon(setup)
        try await line.ask(index, for: [.bundle])
        try await daemon.workOff()
        for digest in all { try await line.expectSignedOnce(digest) }
        try await line.recheckAll(with: daemon)
        try await daemon.workOff()
        for digest in all { try await line.expectSignedOnce(digest) }
        try await line.push(index)
        try await daemon.workOff()
        for digest in all { try await line.expectSignedOnce(digest, in: [.bundle, .legacy]) }
    }

    @Test func `children that were signed anew in fewer formats stay so, until their index is pushed again`()
        async throws
    {
        let line = try await SigningLine()
        let multi = try await line.index()
        let index = multi.index.descriptor.digest
        let children = multi.images.map(\.descriptor.digest)
        var setup = Self.both
        setup.rules[0].index = .both
        let daemon = try await line.daemon(setup)
        try await line.push(index)
        try await daemon.workOff()
        try await line.signAnew(children, in: [.bundle], removing: false)
        try await daemon.workOff()

        try await line.database.pool.execute("UPDATE countersign.target SET pushed_at = pushed_at - interval '1 day'")
        try await line.recheckAll(with: daemon)
        try await daemon.workOff()
        for child in children {
            let kept = try await status(line, child)
            #expect(kept.formats == [.bundle] && kept.signature?.formats == [.bundle])
        }
        try await line.push(index)
        try await daemon.workOff()
        for child in children {
            #expect(try await status(line, child).signature?.formats == [.bundle, .legacy])
        }
    }

    @Test func `a document is attached to what is signed as a bundle alone, and waits where the bundle is missing`()
        async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon(Self.both)
        for format in SignatureFormat.allCases {
            let digest = try await line.image(tag: format.rawValue).descriptor.digest
            try await line.ask(digest, for: [format])
            try await daemon.workOff()
            let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
            try await daemon.workOff(atMost: 2)
            if format == .legacy {
                #expect(
                    try await line.attestation(id).status.lastError?.code == "attestation.waiting_for_signature")
                try await line.push(digest)
                try await daemon.workOff()
            }
            #expect(try await line.attestation(id).status.state == .signed)
        }
    }
}

extension SigningLine {
    /// What a batch hands over that asks for these formats.
    func ask(_ digest: OCI.Digest, for formats: Set<SignatureFormat>) async throws {
        var request = samplePush(digest, repository: repository.name, lane: .bulk)
        request.formats = formats
        try await database.push(request)
    }

    /// What a campaign hands over that asks for these formats, under a rule with both.
    func signAnew(_ digests: [OCI.Digest], in formats: Set<SignatureFormat>, removing: Bool) async throws {
        let requests = digests.map { digest -> JobQueue.GenerationRequest in
            .init(
                repository: repository, digest: digest, rule: "all", policyVersion: "v1", formats: [.bundle, .legacy])
        }
        _ = try await database.pool.together { session in
            try JobQueue.openGenerations(
                requests,
                .init(reason: "anew", removesOlder: removing, by: "operator", batch: 1, formats: formats), in: session)
        }
    }
}
