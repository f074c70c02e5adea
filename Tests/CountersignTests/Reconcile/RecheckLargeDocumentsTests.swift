import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// The look back at documents that are too large to be held, over a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct RecheckLargeDocumentsTests {
    enum Way: CaseIterable {
        /// The statement has it, in a bundle that is not stored (Rekor v2).
        case whole
        /// The statement has its digest, and it lies beside the image (Rekor v1).
        case beside
    }

    private static let document = Array((#"{"text":""# + String(repeating: "x", count: 2_000_001) + #""}"#).utf8)

    private struct Attested {
        let line: SigningLine
        let daemon: SigningDaemon
        let digest: OCI.Digest
        let id: Int64
        /// The blob that has the document: a bundle, or itself.
        let blob: OCI.Digest

        var attestation: AttestationRecord { get async throws { try await line.attestation(id) } }
        /// Everything that the registry lists for the image.
        var listed: Set<OCI.Digest> {
            get async throws {
                Set(try await line.pusher.referrers(line.repository.name, of: digest).descriptors.map(\.digest))
            }
        }
        var signatures: Int {
            get async throws { try await line.database.number("SELECT count(*) FROM countersign.evidence") }
        }
        var verifiedAt: Date {
            get async throws { try #require(try await attestation.status.signature).verifiedAt }
        }
    }

    private func attested(_ way: Way) async throws -> Attested {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        setup.isRekorV2 = way == .whole
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let id = try await line.attest(Self.document, "https://example.com/large", about: digest)
        try await daemon.workOff()
        let attestation = try await line.attestation(id)
        try #require(attestation.status.state == .signed, "\(String(describing: attestation.status.lastError))")
        let bundles = try await line.referrers(of: digest).map(\.bytes)
        let bundle = try #require(bundles.max { $0.count < $1.count })
        return Attested(
            line: line, daemon: daemon, digest: digest, id: id,
            blob: .sha256(of: way == .whole ? bundle : Self.document))
    }

    @Test(arguments: Way.allCases) func `what stands is read to its end, and nothing is written`(_ way: Way)
        async throws
    {
        let attested = try await attested(way)
        let line = attested.line
        let before = try await attested.verifiedAt
        let (writes, signatures) = (line.registry.writes, try await attested.signatures)
        let reads = line.registry.requests.count { $0.isReadBack && $0.path.contains("\(attested.blob)") }
        try await line.recheckAll(with: attested.daemon)
        #expect(try await attested.verifiedAt > before)
        #expect(line.registry.writes == writes)
        #expect(try await attested.signatures == signatures)
        #expect(line.registry.requests.count { $0.isReadBack && $0.path.contains("\(attested.blob)") } > reads)
        #expect(try await line.alerts.alerts().items.isEmpty)
    }

    @Test(arguments: Way.allCases) func `what was deleted is put back from the document, without another signature`(
        _ way: Way
    ) async throws {
        let attested = try await attested(way)
        let (line, name) = (attested.line, attested.line.repository.name)
        let listed = try await attested.listed
        #expect(listed.count == (way == .whole ? 2 : 3))
        for referrer in listed { try await line.delete(referrer) }
        try await line.delete(tag: SignatureTag.fallback(for: attested.digest))
        try await line.delete(attested.blob, "blobs")
        #expect(try await attested.listed.isEmpty)
        let signatures = try await attested.signatures
        try await line.recheckAll(with: attested.daemon)
        #expect(try await attested.listed == listed)
        #expect(try await line.pusher.hasBlob(name, attested.blob))
        #expect(try await attested.signatures == signatures)
        let status = try await attested.attestation.status
        #expect(status.state == .signed && status.lastError == nil)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.attachment WHERE missing_at IS NOT NULL")
                == 0)
    }

    @Test(arguments: Way.allCases) func `what was away with its image for days is put back from the document`(
        _ way: Way
    ) async throws {
        let attested = try await attested(way)
        let (line, name) = (attested.line, attested.line.repository.name)
        let image = try await line.pusher.manifest(name, attested.digest)
        let (listed, signatures) = (try await attested.listed, try await attested.signatures)
        for referrer in listed { try await line.delete(referrer) }
        try await line.delete(tag: SignatureTag.fallback(for: attested.digest))
        try await line.delete(attested.blob, "blobs")
        try await line.delete(attested.digest)
        try await line.recheckAll(with: attested.daemon)
        try await attested.daemon.workOff(atMost: 20)
        #expect(try await attested.attestation.status.state == .gone)

        try await line.letDaysPass()
        #expect(try await line.put(image).descriptor.digest == attested.digest)
        try await line.push(attested.digest)
        try await attested.daemon.workOff()
        #expect(try await attested.listed == listed)
        #expect(try await line.pusher.hasBlob(name, attested.blob))
        #expect(try await attested.signatures == signatures)
        let status = try await attested.attestation.status
        #expect(status.state == .signed && status.lastError == nil)
    }

    /// Until it is back, the attestation does not say that it is signed.
    @Test(arguments: Way.allCases) func `what cannot be put back yet is not called signed`(_ way: Way) async throws {
        let attested = try await attested(way)
        let line = attested.line
        let referrers = try await attested.listed
        try await line.delete(attested.blob, "blobs")
        line.registry.next(.answered(503), times: 100) { $0.method == "PATCH" }
        try await line.recheckAll(with: attested.daemon)
        #expect(try await attested.attestation.status.state != .signed)
        line.registry.heal()
        try await attested.daemon.workOff()
        #expect(try await attested.attestation.status.state == .signed)
        #expect(try await attested.listed == referrers)
        try await line.pusher.verifyBlob(line.repository.name, attested.blob, size: try await size(of: attested, way))
    }

    /// As the clean-up of a version before left it: neither our records nor the registry have the bytes.
    @Test(arguments: Way.allCases)
    func `a document that is lost is told as that, raises no alert, and is put back once it is sent again`(
        _ way: Way
    ) async throws {
        let attested = try await attested(way)
        let line = attested.line
        let (listed, signatures) = (try await attested.listed, try await attested.signatures)
        try await line.database.pool.execute("UPDATE countersign.attestation SET document_id = NULL")
        try await line.database.pool.execute("DELETE FROM countersign.document")
        try await line.delete(attested.blob, "blobs")
        try await line.recheckAll(with: attested.daemon)
        let lost = try await attested.attestation.status
        #expect(lost.state == .signed && lost.lastError?.code == "attestation.document_lost")
        #expect(lost.lastError?.fix.hasPrefix("send it again") == true)
        #expect(try await line.alerts.alerts().items.isEmpty)

        try await line.attest(Self.document, "https://example.com/large", about: attested.digest)
        try await attested.daemon.workOff()
        let status = try await attested.attestation.status
        #expect(status.state == .signed && status.lastError == nil, "\(String(describing: status.lastError))")
        #expect(try await attested.listed == listed)
        #expect(try await line.pusher.hasBlob(line.repository.name, attested.blob))
        #expect(try await attested.signatures == signatures)
    }

    @Test(arguments: Way.allCases) func `a registry that serves other bytes of it raises an alert`(_ way: Way)
        async throws
    {
        let attested = try await attested(way)
        let line = attested.line
        line.registry.next(.answered(200, body: "{}"), times: 10) {
            $0.isReadBack && $0.path.contains("\(attested.blob)")
        }
        try await line.recheckAll(with: attested.daemon)
        #expect(try await line.alerts.open() == ["signature.tampered": 1])
        line.registry.heal()
        try await line.recheckAll(with: attested.daemon)
        #expect(try await line.alerts.open().isEmpty)
    }

    /// A bundle that was made whole is looked at as what it is, whatever the rule wants by now.
    @Test func `under a rule of another format what was signed whole still stands`() async throws {
        let attested = try await attested(.whole)
        let line = attested.line
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        let before = try await attested.verifiedAt
        try await line.recheckAll(with: daemon)
        #expect(try await attested.verifiedAt > before)
        let layers = try await line.pusher.legacyLayers(.attestation, of: attested.digest, in: line.repository.name)
        #expect(layers.isEmpty)
        #expect(try await line.alerts.alerts().items.isEmpty)
    }

    /// Of a key's signature only the message's digest tells whose it is: the statement is not stored whole.
    @Test func `what a key signed whole still stands once the rule names another identity`() async throws {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        (setup.isRekorV2, setup.key) = (true, ManagedKey(try PrivateKey.generate(.ecdsaP256)))
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(setup)
        try await daemon.workOff()
        let id = try await line.attest(Self.document, "https://example.com/large", about: digest)
        try await daemon.workOff()
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NULL") == 1)
        (setup.formerKey, setup.key) = (setup.key, nil)
        try await line.recheckAll(with: try await line.daemon(setup))
        #expect(try await line.alerts.alerts().items.isEmpty)
        #expect(try await line.attestation(id).status.lastError == nil)
    }

    private func size(of attested: Attested, _ way: Way) async throws -> Int {
        guard way == .whole else { return Self.document.count }
        return try #require(
            try await attested.line.referrers(of: attested.digest).map(\.bytes).first {
                .sha256(of: $0) == attested.blob
            }
        ).count
    }
}
