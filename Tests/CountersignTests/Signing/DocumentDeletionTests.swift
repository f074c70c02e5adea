import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Revoked signatures beside a document that is too large to be stored as a bundle, against a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DocumentDeletionTests {
    /// An image with a signature and an attestation that is too large to be stored as a bundle.
    private struct Attested {
        let line: SigningLine
        let setup: SigningLine.Setup
        let daemon: SigningDaemon
        let digest: Digest
        let attestation: Int64
        let signature: Digest
        let document: Digest

        init() async throws {
            line = try await SigningLine()
            digest = try await line.image().descriptor.digest
            var setup = SigningLine.Setup()
            setup.isRekorV2 = true
            setup.deletion = .basic(username: "remover", password: Secret("nobody asks for it"))
            self.setup = setup
            daemon = try await line.daemon(setup)
            try await line.push(digest)
            try await daemon.workOff()
            let signatures = try await line.referrers(of: digest).map(\.manifest.digest)
            signature = try #require(signatures.first)
            let large = Array((#"{"text":""# + String(repeating: "x", count: 2 << 20) + #""}"#).utf8)
            attestation = try await line.attest(large, "https://example.com/large", about: digest)
            try await daemon.workOff()
            #expect(try await line.attestation(attestation).status.state == .signed)
            let all = try await line.referrers(of: digest).map(\.manifest.digest)
            let signed = signature
            document = try #require(all.first { $0 != signed })
            #expect(
                try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NULL") == 1)
        }

        /// - Parameter other: in place of the daemon that signed.
        func revoke(by other: SigningDaemon? = nil) async throws -> ArtifactHistory.Revocation? {
            _ = try await Revocations(queue: line.database.queue).revoke(
                .init(
                    repository: line.repository, digest: digest, reason: "it has a hole",
                    principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil)), removing: true)
            try await (other ?? daemon).workOff()
            return try await line.database.records.history(of: digest, in: line.repository).revocation
        }

        /// A daemon that meets a registry with the referrers API, which lists these.
        func daemon(whereListed referrers: [Digest]) async throws -> SigningDaemon {
            var entries: [String] = []
            for referrer in referrers {
                let found = try await line.pusher.manifest(line.repository.name, referrer).descriptor
                entries.append(
                    #"{"mediaType":"\#(found.mediaType)","size":\#(found.size),"digest":"\#(found.digest)"}"#)
            }
            line.registry.heal()
            line.registry.next(
                .answered(
                    200, headers: [("Content-Type", MediaType.ociIndex)],
                    body: """
                        {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[\(entries.joined(separator: ","))]}
                        """), times: 100
            ) { $0.path.contains("/referrers/") }
            return try await line.daemon(setup)
        }

        func served() async throws -> Set<Digest> {
            var served: Set<Digest> = []
            for referrer in [signature, document] {
                do {
                    served.insert(try await line.pusher.manifest(line.repository.name, referrer).descriptor.digest)
                } catch .notFound {}
            }
            return served
        }
    }

    @Test func `a bundle that was too large to be stored is shown to be ours by its document, and deleted`()
        async throws
    {
        let attested = try await Attested()
        let revocation = try await attested.revoke()
        #expect(revocation?.removal == .deleted && revocation?.removalError == nil, "\(String(describing: revocation))")
        #expect(try await attested.served() == [])
        #expect(try await attested.line.referrers(of: attested.digest).isEmpty)
    }

    @Test func `one whose document is gone stays, without an alarm, and the rest is deleted`() async throws {
        let attested = try await Attested()
        _ = try await attested.line.database.pool.query("UPDATE countersign.attestation SET document_id = NULL")
        let revocation = try await attested.revoke()
        #expect(revocation?.removal == .removed && revocation?.removalError?.code == "deletion.unproven")
        #expect(try await attested.served() == [attested.document])
        #expect(try await attested.line.referrers(of: attested.digest).isEmpty)
    }

    @Test func `one with another document than was signed is not ours, and the rest is deleted`() async throws {
        let attested = try await Attested()
        _ = try await attested.line.database.pool.query(
            "UPDATE countersign.document_part SET bytes = 'another' WHERE number = 0")
        let revocation = try await attested.revoke()
        #expect(revocation?.removal == .removed && revocation?.removalError?.code == "deletion.not_ours")
        #expect(try await attested.served() == [attested.document])
    }

    @Test
    func `where the registry lists by itself, a document that stays keeps its signature until it is deleted by hand`()
        async throws
    {
        let attested = try await Attested()
        let (signature, document) = (attested.signature, attested.document)
        _ = try await attested.line.database.pool.query("UPDATE countersign.attestation SET document_id = NULL")
        let kept = try await attested.revoke(by: attested.daemon(whereListed: [signature, document]))
        #expect(kept?.removal == .listed && kept?.removalError?.code == "deletion.unproven")
        #expect(kept?.removalError?.observed.contains("with it stays the signature") == true)
        #expect(try await attested.served() == [signature, document])

        try await attested.line.delete(document)
        let deleted = try await attested.revoke(by: attested.daemon(whereListed: [signature]))
        #expect(deleted?.removal == .deleted && deleted?.removalError == nil, "\(String(describing: deleted))")
        #expect(try await attested.served() == [])
    }
}
