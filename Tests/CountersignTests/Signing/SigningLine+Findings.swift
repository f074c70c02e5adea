import Curl
import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// A bundle as a registry serves it, and the referrer that carries it.
struct AttachedBundle: Sendable {
    let manifest: Descriptor
    let bytes: [UInt8]
}

extension RegistryClient {
    /// Everything that is listed as a bundle, fetched.
    func attachedBundles(_ name: String, of subject: OCI.Digest) async throws -> [AttachedBundle] {
        var attached: [AttachedBundle] = []
        for bundle in try await bundles(name, of: subject).bundles {
            let bytes = try await blob(name, bundle.digest, limit: bundle.size(upTo: .max) ?? 0)
            attached += bundle.carriers.map { AttachedBundle(manifest: $0.manifest, bytes: bytes) }
        }
        return attached
    }
}

/// What the world outside holds after a test: log, registry, tables.
extension SigningLine {
    /// UUIDs of the log's entries whose statement is about this digest.
    func logEntries(about digest: OCI.Digest) async throws -> [String] {
        let answer = try await Self.http.send(
            HTTPRequest(
                .post, try await lab.endpoints.rekor + "/api/v1/index/retrieve",
                headers: ["Content-Type": "application/json"], body: Array(#"{"hash":"\#(digest)"}"#.utf8),
                route: Self.route))
        guard answer.status == 200 else { throw SupportError("the log answered \(answer.status)") }
        return try JSONDecoder().decode([String].self, from: Data(answer.body))
    }

    /// Bundles that the registry lists and serves for this digest.
    func referrers(of digest: OCI.Digest) async throws -> [AttachedBundle] {
        let missing = try await pusher.bundles(repository.name, of: digest).missing
        #expect(missing.isEmpty, "listed but not served")
        return try await pusher.attachedBundles(repository.name, of: digest)
    }

    func state(_ digest: OCI.Digest) async throws -> String? { try await database.state(digest) }

    /// The whole last error.
    func failure(_ digest: OCI.Digest) async throws -> Failure? {
        try await database.records.status(of: digest, in: repository, purpose: .signature)?.lastError
    }

    /// The recorded facts of the signature.
    func signature(of digest: OCI.Digest) async throws -> ArtifactStatus.Signature? {
        try await database.records.status(of: digest, in: repository, purpose: .signature)?.signature
    }

    func evidenceRows(of digest: OCI.Digest) async throws -> (live: Int, abandoned: Int) {
        let rows = try await database.pool.query(
            """
            SELECT count(*) FILTER (WHERE l.live AND e.abandoned_at IS NULL) AS live,
                count(*) FILTER (WHERE NOT l.live AND e.abandoned_at IS NOT NULL AND e.abandon_reason <> '') AS abandoned
            FROM countersign.target t JOIN countersign.evidence_target l ON l.target_id = t.id
            JOIN countersign.evidence e ON e.id = l.evidence_id
            WHERE t.digest = \(digest.description)::text
            """)
        guard let row = rows.first else { throw SupportError("no answer") }
        return (Int(try row.decode("live", as: Int64.self)), Int(try row.decode("abandoned", as: Int64.self)))
    }

    /// Our layers under the `.sig` tag.
    func legacyLayers(of digest: OCI.Digest) async throws -> [Descriptor] {
        try await pusher.legacyLayers(.signature, of: digest, in: repository.name)
    }

    /// UUIDs of the log's entries of the legacy documents that are stored for this digest, abandoned ones included.
    func legacyEntries(about digest: OCI.Digest) async throws -> [String] {
        let rows = try await database.pool.query(
            """
            SELECT DISTINCT e.payload FROM countersign.target t
            JOIN countersign.evidence_target l ON l.target_id = t.id
            JOIN countersign.evidence e ON e.id = l.evidence_id
            WHERE t.digest = \(digest.description)::text AND e.format = 'legacy'
            """)
        var found: [String] = []
        for row in rows { found += try await logEntries(about: .sha256(of: try row.decode("payload"))) }
        return found
    }

    /// The promise of the crash table: signed, for each format one live log entry and one artefact of ours in the
    /// registry, and all of them the same one.
    /// - Parameters:
    ///   - abandoned: signatures that were put aside, recorded with their reason.
    ///   - logged: how many of those the log has.
    func expectSignedOnce(
        _ digest: OCI.Digest, in formats: [SignatureFormat] = [.bundle], abandoned: Int = 0, logged: Int = 0,
        _ location: SourceLocation = #_sourceLocation
    )
        async throws
    {
        #expect(try await state(digest) == "signed", sourceLocation: location)
        #expect(try await database.jobCount() == 0, "jobs left", sourceLocation: location)
        #expect(try await database.contradictions() == 0, sourceLocation: location)
        let evidence = try await evidenceRows(of: digest)
        #expect(evidence == (formats.count, abandoned), "live and abandoned evidence", sourceLocation: location)

        let bundles = try await logEntries(about: digest)
        let layers = try await legacyEntries(about: digest)
        #expect(bundles.count + layers.count == formats.count + logged, "log entries", sourceLocation: location)
        if formats.contains(.bundle) { #expect(bundles.count >= 1, sourceLocation: location) }
        if formats.contains(.legacy) { #expect(layers.count >= 1, sourceLocation: location) }
        let referrers = try await referrers(of: digest)
        #expect(referrers.count == (formats.contains(.bundle) ? 1 : 0), "referrers", sourceLocation: location)
        let published = try await legacyLayers(of: digest)
        #expect(published.count == (formats.contains(.legacy) ? 1 : 0), "layers", sourceLocation: location)

        let signature = try #require(try await signature(of: digest), sourceLocation: location)
        #expect(
            (formats.first == .bundle ? bundles : layers).contains {
                $0.hasSuffix(signature.logUUID?.suffix(64) ?? "-")
            }, "the recorded entry is in the log", sourceLocation: location)
        if formats.contains(.bundle) {
            #expect(referrers.first?.manifest.digest == signature.referrer, sourceLocation: location)
        }
        let verdict = try await verify(digest)
        #expect(
            verdict.signatures.map(\.location.format) == [.bundle, .legacy].filter { formats.contains($0) }
                && verdict.rejected.isEmpty, sourceLocation: location)
        if formats.contains(.legacy) { try await expectLegacyVerifies(digest, published, location) }
    }

    /// What the registry serves under the `.sig` tag, judged by our verifier.
    private func expectLegacyVerifies(
        _ digest: OCI.Digest, _ layers: [Descriptor], _ location: SourceLocation
    ) async throws {
        for layer in layers {
            let payload = try await pusher.blob(repository.name, layer.digest, limit: layer.size)
            let legacy = try LegacySignature(
                layerMediaType: layer.mediaType, payload: payload, annotations: layer.annotations ?? [:])
            let verified = try await daemon().signer.verify(
                .legacy(legacy), Statement.cosignSignPredicateType, for: digest, in: repository)
            #expect(verified.tlogEntries.count == 1, sourceLocation: location)
        }
    }

    private static func pattern(of identity: SigningIdentity) throws -> CertificateIdentity {
        guard case .keyless(_, let expected) = identity.means else { throw SupportError("a key has no identity") }
        return try expected.pattern
    }

    /// What our own `verify` says.
    func verify(_ digest: OCI.Digest) async throws -> VerifyReference.Report {
        let daemon = try await daemon()
        return try await VerifyReference(
            registry: pusher, verifier: daemon.signer.trust.verifier, identity: Self.pattern(of: daemon.signer.identity)
        ).verify(Reference("\(repository)@\(digest)"))
    }

    /// Nothing that anybody outside could see.
    func expectNothingPublic(_ digest: OCI.Digest, _ location: SourceLocation = #_sourceLocation) async throws {
        #expect(try await logEntries(about: digest).isEmpty, "log entries", sourceLocation: location)
        #expect(try await legacyEntries(about: digest).isEmpty, "log entries", sourceLocation: location)
        #expect(try await referrers(of: digest).isEmpty, "referrers", sourceLocation: location)
        #expect(try await legacyLayers(of: digest).isEmpty, "layers", sourceLocation: location)
    }

    // MARK: What happens by itself in time

    /// The holder of every lease is taken for dead, and its jobs are due again.
    func giveUpHolders() async throws {
        try await database.expireLeases()
        try await database.pool.execute("UPDATE countersign.subject_lease SET expires_at = now() - interval '1 second'")
        try await database.pool.execute(
            "UPDATE countersign.evidence SET sender_until = now() - interval '1 second' WHERE sender IS NOT NULL")
        _ = try await database.queue.rescue()
        try await database.makeDue()
    }
}
