import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Revoked signatures that are deleted, against a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DeletionTests {
    /// An image that was signed and then revoked, with a daemon that may delete, before it began to.
    private struct Revoked {
        let line: SigningLine
        let daemon: SigningDaemon
        let digest: Digest
        let referrers: [Digest]

        init(_ formats: [SignatureFormat] = [.bundle], registry: DockerRegistry? = nil) async throws {
            line = try await SigningLine(registry: registry)
            digest = try await line.image().descriptor.digest
            var setup = SigningLine.Setup.formats(formats)
            setup.deletion = .basic(username: "remover", password: Secret("nobody asks for it"))
            daemon = try await line.daemon(setup)
            try await line.push(digest)
            try await daemon.workOff()
            try await line.expectSignedOnce(digest, in: formats)
            referrers = try await line.referrers(of: digest).map(\.manifest.digest)
            _ = try await revocations.revoke(request, removing: true)
        }

        var revocations: Revocations { Revocations(queue: line.database.queue) }

        var request: Revocations.Request {
            .init(
                repository: line.repository, digest: digest, reason: "it has a hole",
                principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
        }

        func revocation() async throws -> ArtifactHistory.Revocation? {
            try await line.database.records.history(of: digest, in: line.repository).revocation
        }

        /// How the registry's end is told in the audit log.
        func audited() async throws -> [String?] {
            try await AuditLog(pool: line.database.pool).latest(10).filter { $0.action == "artifact.withdraw" }
                .map(\.detail)
        }

        func served() async throws -> [Digest] {
            var served: [Digest] = []
            for referrer in referrers {
                do {
                    served.append(try await line.pusher.manifest(line.repository.name, referrer).descriptor.digest)
                } catch .notFound {}
            }
            return served
        }
    }

    private static func isDeletion(_ request: FaultRelay.Request) -> Bool {
        request.method == "DELETE" && request.path.contains("/manifests/")
    }

    @Test(arguments: FormatTests.combinations)
    func `with a credential for it what was revoked is deleted, and a release puts the same back`(
        _ formats: [SignatureFormat]
    ) async throws {
        let revoked = try await Revoked(formats)
        let line = revoked.line
        let before = try #require(try await line.signature(of: revoked.digest))
        try await revoked.daemon.workOff()
        #expect(try await line.state(revoked.digest) == "revoked")
        #expect(try await line.referrers(of: revoked.digest).isEmpty)
        #expect(try await line.legacyLayers(of: revoked.digest).isEmpty)
        #expect(try await revoked.served() == [])
        // a layer's manifest is everybody's: with one among them it is not all deleted
        let all = formats == [.bundle]
        #expect(try await revoked.revocation()?.removal == (all ? .deleted : .removed))
        #expect(try await revoked.revocation()?.removalError == nil)
        #expect(try await revoked.audited() == [all ? "deleted" : "unlisted"])
        let deletions = line.registry.requests.filter(Self.isDeletion)
        #expect(
            Set(deletions.map(\.path)) == Set(revoked.referrers.map { "/v2/\(line.repository.name)/manifests/\($0)" }))
        // the image itself is nobody's business
        #expect(
            try await line.pusher.manifest(line.repository.name, revoked.digest).descriptor.digest == revoked.digest)

        #expect(try await revoked.revocations.release(revoked.request))
        try await revoked.daemon.workOff()
        try await line.expectSignedOnce(revoked.digest, in: formats)
        #expect(try await line.signature(of: revoked.digest)?.logIndex == before.logIndex)
    }

    @Test func `a registry that deletes nothing says so, and what was published is out of its lists`() async throws {
        let registry = try await DockerRegistry(deletes: false)
        let revoked = try await Revoked(registry: registry)
        try await revoked.daemon.workOff()
        #expect(try await revoked.line.database.jobCount() == 0)
        #expect(try await revoked.line.referrers(of: revoked.digest).isEmpty)
        #expect(try await revoked.served() == revoked.referrers)
        #expect(try await revoked.revocation()?.removal == .removed)
        #expect(try await revoked.revocation()?.removalError?.code == "registry.deletion_unsupported")
        #expect(try await revoked.audited() == ["unlisted"])
        try await registry.stop()
    }

    @Test func `a refused deletion waits for its credential, and says so`() async throws {
        let revoked = try await Revoked()
        revoked.line.registry.next(
            .answered(401, body: #"{"errors":[{"code":"UNAUTHORIZED"}]}"#), where: Self.isDeletion)
        try await revoked.line.database.makeDue()
        try await revoked.daemon.attemptAll()
        #expect(try await revoked.revocation()?.removal == .asked)
        #expect(try await revoked.revocation()?.removalError?.code == "registry.deletion_refused")
        #expect(try await revoked.served() == revoked.referrers)
        try await revoked.daemon.workOff()
        #expect(try await revoked.revocation()?.removal == .deleted)
        #expect(try await revoked.revocation()?.removalError == nil)
        #expect(try await revoked.served() == [])
    }

    @Test func `a deletion of which nobody heard is found done`() async throws {
        let revoked = try await Revoked()
        revoked.line.registry.next(.answerLost, where: Self.isDeletion)
        try await revoked.line.database.makeDue()
        try await revoked.daemon.attemptAll()
        #expect(try await revoked.revocation()?.removal == .asked)
        #expect(try await revoked.served() == [])
        try await revoked.daemon.workOff()
        #expect(try await revoked.revocation()?.removal == .deleted)
        #expect(revoked.line.registry.requests.count(where: Self.isDeletion) == 2)
    }

    @Test func `what is served after its deletion is not called deleted`() async throws {
        let revoked = try await Revoked()
        revoked.line.registry.next(.answered(202), where: Self.isDeletion)
        try await revoked.line.database.makeDue()
        try await revoked.daemon.attemptAll()
        #expect(try await revoked.revocation()?.removal == .asked)
        #expect(try await revoked.revocation()?.removalError?.code == "registry.deleted_still_served")
        // nor is it because the registry says to whoever deletes that it has no such manifest
        revoked.line.registry.next(
            .answered(
                404, headers: [("Content-Type", "application/json")],
                body: #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
            where: Self.isDeletion)
        try await revoked.line.database.makeDue()
        try await revoked.daemon.attemptAll()
        #expect(try await revoked.revocation()?.removal == .asked)
        try await revoked.line.database.makeDue()
        try await revoked.daemon.workOff()
        #expect(try await revoked.revocation()?.removal == .deleted)
    }

    @Test(arguments: [false, true])
    func `where the registry lists by itself only deletion ends that`(deletes: Bool) async throws {
        let revoked = try await Revoked()
        let line = revoked.line
        // a registry with the referrers API, for a daemon that meets it for the first time
        line.registry.next(
            .answered(
                200, headers: [("Content-Type", MediaType.ociIndex)],
                body: #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[]}"#), times: 100
        ) { $0.path.contains("/referrers/") }
        var setup = SigningLine.Setup()
        if deletes { setup.deletion = .basic(username: "remover", password: Secret("nobody asks for it")) }
        try await line.daemon(setup).workOff()
        #expect(try await revoked.revocation()?.removal == (deletes ? .deleted : .listed))
        #expect(try await revoked.served() == (deletes ? [] : revoked.referrers))
        #expect(try await revoked.audited() == [deletes ? "deleted" : "listed by the registry itself"])
    }

    @Test func `what was taken out of the lists before is deleted when that is asked again`() async throws {
        let revoked = try await Revoked()
        try await revoked.line.daemon().workOff()
        #expect(try await revoked.revocation()?.removal == .removed)
        #expect(try await revoked.served() == revoked.referrers)
        #expect(try await revoked.revocations.revoke(revoked.request, removing: true) == false)
        #expect(try await revoked.revocation()?.removal == .asked)
        try await revoked.daemon.workOff()
        #expect(try await revoked.revocation()?.removal == .deleted)
        #expect(try await revoked.served() == [])
    }

    @Test func `what does not verify as of one of our identities is not deleted`() async throws {
        let revoked = try await Revoked()
        var setup = SigningLine.Setup()
        setup.deletion = .basic(username: "remover", password: Secret("nobody asks for it"))
        setup.subject = "https://kubernetes.io/namespaces/other/serviceaccounts/signer"
        try await revoked.line.daemon(setup).workOff()
        #expect(!revoked.line.registry.requests.contains(where: Self.isDeletion))
        #expect(try await revoked.served() == revoked.referrers)
        #expect(try await revoked.revocation()?.removalError?.code == "deletion.not_ours")
    }

    @Test func `a manifest that is also the signature of another repository's image stays, and that is said`()
        async throws
    {
        let (line, other) = (try await SigningLine(), try await SigningLine())
        let image = try await line.image()
        try await line.copy(image, to: other)
        let digest = image.descriptor.digest
        var setup = SigningLine.Setup()
        setup.signatureRepository = "\(SigningLine.registryName)/\(line.repository.name)-signatures"
        setup.deletion = .basic(username: "remover", password: Secret("nobody asks for it"))
        let daemon = try await line.daemon(setup)
        // a statement about both, as a batch across repositories makes it, published in the one place of both
        try await line.queueGroup([(digest, line.repository), (digest, other.repository)])
        try await daemon.workOffGroups()
        let place = line.repository.name + "-signatures"
        let published = try await line.pusher.attachedBundles(place, of: digest).map(\.manifest.digest)
        #expect(published.count == 1)

        let revocations = Revocations(queue: line.database.queue)
        func revoke(in repository: Repository) async throws -> ArtifactHistory.Revocation? {
            _ = try await revocations.revoke(
                .init(
                    repository: repository, digest: digest, reason: "it has a hole",
                    principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil)), removing: true)
            try await daemon.workOff()
            return try await line.database.records.history(of: digest, in: repository).revocation
        }
        #expect(try await revoke(in: line.repository)?.removalError?.code == "withdrawal.shared")
        #expect(try await line.pusher.attachedBundles(place, of: digest).map(\.manifest.digest) == published)
        #expect(!line.registry.requests.contains(where: Self.isDeletion))
        // now it is nobody's signature any more
        #expect(try await revoke(in: other.repository)?.removal == .deleted)
        #expect(try await line.pusher.bundles(place, of: digest).bundles.isEmpty)
    }

    @Test func `what our record does not show to be ours is not deleted`() async throws {
        let revoked = try await Revoked()
        // somebody who can write to the table names the image
        _ = try await revoked.line.database.pool.query(
            "UPDATE countersign.attachment SET digest = \(revoked.digest.description)::text")
        try await revoked.daemon.workOff()
        #expect(!revoked.line.registry.requests.contains(where: Self.isDeletion))
        #expect(try await revoked.revocation()?.removal == .removed)
        #expect(try await revoked.revocation()?.removalError?.code == "deletion.not_ours")
    }
}
