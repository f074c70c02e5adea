import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import StrictJSON
import Support
import Testing

@testable import Countersign

extension SigningLine {
    /// A document as the API hands it over once it was checked.
    @discardableResult
    func attest(
        _ document: [UInt8], _ type: String, about digest: OCI.Digest, replaces: Bool? = nil,
        wait: Duration = .seconds(60)
    ) async throws -> Int64 {
        let store = DocumentStore(pool: database.pool)
        var spool = try await store.spool()
        try await spool.append(document)
        let received = try await spool.close()
        let type = try PredicateType(type)
        let principal = APITokens.Principal(tokenID: 1, name: "ci", role: .operator, scope: nil)
        var audit = AuditLog.Entry(action: "attestation.upload", by: principal)
        audit.digest = received.digest
        let token = try await database.text("SELECT id::text FROM countersign.api_token LIMIT 1")
        if token == nil {
            _ = try await APITokens(pool: database.pool).create(name: "ci", role: .operator, lifetime: nil)
        }
        let facts = try type.format.check(document)
        return try await AttestationRecords(pool: database.pool).take(
            AttestationRecords.Submission(
                digest: digest, repository: repository, type: type, facts: facts,
                document: received, replaces: replaces ?? type.format.isVEX(facts), wait: wait, rule: "all",
                policyVersion: "v1", audit: audit)
        ).id
    }

    func attestation(_ id: Int64) async throws -> AttestationRecord {
        try #require(try await AttestationRecords(pool: database.pool).attestation(id))
    }

    /// The statements in the bundles that the registry lists for the digest, by predicate type.
    func statements(of digest: OCI.Digest) async throws -> [(type: String, payload: [UInt8])] {
        try await referrers(of: digest).compactMap { attached in
            guard case .envelope(let envelope) = try UnverifiedBundle(json: attached.bytes).content else { return nil }
            return (try Statement(json: envelope.payload).predicateType, envelope.payload)
        }
    }
}

func sampleDocument(_ name: String) throws -> [UInt8] {
    let path = "\(packageRoot)/Tests/SigstoreTests/Fixtures/documents/\(name)"
    return Array(try #require(FileManager.default.contents(atPath: path)))
}

func sampleVEX(_ version: Int) -> [UInt8] {
    Array(
        #"""
        {"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex","author":"a","timestamp":"2026-11-24T00:00:00Z",
         "version":\#(version),"statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed"}]}
        """#.utf8)
}

/// CycloneDX of one predicate type: VEX, or a bill of materials that has vulnerabilities embedded.
func sampleCycloneDX(_ version: Int, isVEX: Bool) -> [UInt8] {
    let components = isVEX ? "" : #""components":[{"type":"library","name":"a"}],"#
    return Array(
        #"""
        {"bomFormat":"CycloneDX","specVersion":"1.5","version":\#(version),\#(components)"vulnerabilities":[{"id":"CVE-1"}]}
        """#.utf8)
}

@Suite struct AttestationLineTests {
    @Test(arguments: [
        ("spdx", "spdx-2.3.spdx"), ("spdxjson", "spdx-2.3.json"), ("cyclonedx", "cyclonedx-1.6.json"),
        ("openvex", "openvex-0.2.0.json"), ("slsaprovenance1", "provenance-1.json"), ("vuln", "vuln.json"),
        ("custom", "spdx-2.3.spdx"),
    ])
    func `a document is signed as it was sent, beside the signature of its image`(type: String, file: String)
        async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        let document = try sampleDocument(file)
        try await line.push(digest)
        try await daemon.workOff()
        let id = try await line.attest(document, type, about: digest)
        try await daemon.workOff()

        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed)
        #expect(attestation.routes == [.bundle: .inline])
        let uri = try PredicateType(type).uri
        let statements = try await line.statements(of: digest)
        #expect(Set(statements.map(\.type)) == [Statement.cosignSignPredicateType, uri])
        let payload = try #require(statements.first { $0.type == uri }).payload
        if attestation.type.format != .custom, attestation.type.format != .spdxTagValue {
            // byte for byte: what the author's tool wrote
            #expect(payload.suffix(document.count + 1) == document + Array("}".utf8))
        } else {
            let predicate = try Statement(json: payload).predicate
            #expect((predicate["Data"] ?? predicate).text.map { Array($0.utf8) } == document)
        }
        let subject = try Statement(json: payload).subjects[0]
        #expect(subject.name == "\(line.repository)" && subject.digest == ["sha256": digest.hex])
    }

    @Test func `a document that comes before its image waits for the signature`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        let id = try await line.attest(try sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.attemptAll()
        let waiting = try await line.attestation(id).status
        #expect(waiting.state == .waiting && waiting.lastError?.code == "attestation.waiting_for_signature")
        #expect(try await line.referrers(of: digest).isEmpty)

        try await line.push(digest)
        try await daemon.attemptAll()  // the signature; it wakes the document
        try await daemon.attemptAll()
        #expect(try await line.attestation(id).status.state == .signed)
        #expect(try await line.referrers(of: digest).count == 2)
        #expect(try await line.database.contradictions() == 0)
    }

    @Test func `a document that waits for its image takes no slot from live pushes, and looks ever less often`()
        async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await line.attest(sampleVEX(1), "openvex", about: sampleDigest("never pushed"), wait: .seconds(3_600))
        var pauses: [Int] = []
        for _ in 0..<6 {
            try await daemon.attemptAll()
            #expect(
                try await line.database.number("SELECT lane::bigint FROM countersign.job")
                    == Int(Lane.default.rawValue))
            pauses.append(
                try await line.database.number(
                    "SELECT round(extract(epoch FROM run_at - now()) / 30)::bigint * 30 FROM countersign.job"))
            try await line.database.makeDue()
        }
        #expect(pauses == [60, 120, 240, 480, 480, 480])
        // one of the version before may have counted further
        #expect(SignAttestation.pause(after: 1_000_000_000) == .seconds(480))
    }

    /// Also by an attempt that a heartbeat stopped meanwhile: what it had is settled, and so held by nobody.
    @Test(arguments: [false, true])
    func `a signature that comes while a document goes back to wait is noticed at once`(isStopped: Bool) async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        let id = try await line.attest(try sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        // the attempt has looked, and found no signature; its job is held, so that nobody can wake it
        let held = try await daemon.claimOne()
        try await line.push(digest)
        try await daemon.attemptAll()
        #expect(try await line.signature(of: digest) != nil)
        let waits = Failure(code: "attestation.waiting_for_signature", stage: "authorise", observed: "", fix: "")
        let trace = AttemptTrace(held, logger: SigningDaemon.silence, metrics: ServiceMetrics())
        let end = Task {
            while isStopped, !Task.isCancelled { await Task.yield() }
            await daemon.attempt.end(held, as: .retry(waits, after: .seconds(60), counts: false), trace)
        }
        if isStopped { end.cancel() }
        await end.value
        try await daemon.attemptAll()
        #expect(try await line.attestation(id).status.state == .signed)
    }

    @Test func `a document whose image never comes is gone, and may be sent again`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = sampleDigest("never pushed")
        let id = try await line.attest(sampleVEX(1), "openvex", about: digest, wait: .zero)
        try await daemon.workOff()
        let gone = try await line.attestation(id).status
        #expect(gone.state == .gone && gone.lastError?.code == "attestation.no_artifact")
        #expect(try await line.attest(sampleVEX(1), "openvex", about: digest) == id)
        #expect(try await line.attestation(id).status.state == .queued)
    }

    @Test func `a document that is sent again while it waits waits from then on`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = sampleDigest("not pushed yet")
        let id = try await line.attest(sampleVEX(1), "openvex", about: digest, wait: .seconds(3_600))
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .waiting)
        try await line.database.pool.execute(
            "UPDATE countersign.attestation SET expires_at = now() - interval '1 second' WHERE id = \(id)")
        #expect(try await line.attest(sampleVEX(1), "openvex", about: digest) == id)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.job WHERE run_at <= now()") == 1)
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .waiting)
    }

    /// The answer was 202; the attempt that had it then ended it, as cancelled or as gone.
    @Test(arguments: [true, false])
    func `a document that is sent again while a worker has it is looked at once more`(isCancelled: Bool) async throws {
        let line = try await SigningLine()
        let digest = sampleDigest("not pushed yet")
        let id = try await line.attest(sampleVEX(1), "openvex", about: digest, wait: .zero)
        let claim = try #require(try await line.database.claim().first)
        if isCancelled { #expect(try await line.database.queue.cancel(job: claim.jobID) == .cancelling) }
        #expect(try await line.attest(sampleVEX(1), "openvex", about: digest) == id)
        let gone = Failure(code: "attestation.no_artifact", stage: "authorise", observed: "", fix: "")
        #expect(try await line.database.queue.settle(claim, as: .gone(gone)) == .requeued)
        #expect(try await line.attestation(id).status.state == .queued)
    }

    @Test func `a document that waited too long stays gone when its image is signed after all`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        let id = try await line.attest(sampleVEX(1), "openvex", about: digest, wait: .zero)
        try await daemon.workOff()
        try await line.push(digest)
        try await daemon.workOff()
        let gone = try await line.attestation(id).status
        #expect(gone.state == .gone && gone.lastError?.code == "attestation.no_artifact")
        #expect(try await line.referrers(of: digest).count == 1)
    }

    @Test func `on a refused image nothing is published`() async throws {
        let line = try await SigningLine()
        let signed = try await line.image()
        let daemon = try await line.daemon()
        // a signature of somebody: refused when it is looked at
        let material = try await line.signatureMaterial(about: signed)
        try await line.push(material)
        try await daemon.workOff()
        #expect(try await line.state(material) == "refused")
        let id = try await line.attest(try sampleDocument("spdx-2.3.json"), "spdxjson", about: material)
        try await daemon.workOff()
        let refused = try await line.attestation(id).status
        #expect(refused.state == .refused && refused.lastError?.code == "attestation.artifact_refused")
        #expect(try await line.referrers(of: material).isEmpty)
        #expect(try await line.logEntries(about: material).isEmpty)
    }

    @Test func `a newer VEX takes the place of an older one, and history stays`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let old = try await line.attest(sampleVEX(1), "vex", about: digest)
        let sbom = try await line.attest(try sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        let new = try await line.attest(sampleVEX(2), "openvex", about: digest)
        try await daemon.workOff()

        #expect(try await line.attestation(old).supersededBy == new)
        #expect(try await line.attestation(sbom).supersededBy == nil)
        let acts = try await AuditLog(pool: line.database.pool).latest(20)
        let superseding = acts.filter { $0.action == "attestation.supersede" }
        #expect(superseding.map(\.detail) == ["attestation \(new) in place of \(old)"])
        #expect(superseding.first?.actor == "daemon" && superseding.first?.subject == digest.description)
        #expect(
            acts.filter { $0.action == "attestation.upload" }.map(\.detail) == [
                "attestation \(new), replace", "attestation \(sbom)", "attestation \(old), replace",
            ])
        let listed = try await AttestationRecords(pool: line.database.pool).list(of: digest, in: line.repository)
        #expect(listed.map(\.id) == [new, sbom, old])
        // the registry lists the newer one, the SBOM, and the signature
        let types = try await line.statements(of: digest).map(\.type).sorted()
        #expect(
            types == ["https://openvex.dev/ns", "https://sigstore.dev/cosign/sign/v1", "https://spdx.dev/Document"])
        #expect(try await line.statements(of: digest).contains { $0.payload.suffix(200).contains(UInt8(ascii: "2")) })
        #expect(try await line.pusher.legacyLayers(.attestation, of: digest, in: line.repository.name).count == 2)

        // the older one, sent again, is the newest again
        let again = try await line.attest(sampleVEX(1), "openvex", about: digest)
        #expect(again != old)
        try await daemon.workOff()
        #expect(try await line.attestation(new).supersededBy == again)
        #expect(try await line.attestation(again).status.state == .signed)
    }

    @Test func `an older VEX whose turn comes after a newer one is signed is not published any more`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let old = try await line.attest(sampleVEX(1), "openvex", about: digest)
        try await line.database.pool.execute("UPDATE countersign.job SET run_at = now() + interval '1 hour'")
        let new = try await line.attest(sampleVEX(2), "openvex", about: digest)
        try await daemon.workOff()
        #expect(try await line.attestation(new).status.state == .signed)

        try await line.database.pool.execute("UPDATE countersign.job SET run_at = now()")
        try await daemon.workOff()
        let older = try await line.attestation(old)
        #expect(older.status.state == .refused && older.status.lastError?.code == "attestation.superseded")
        #expect(older.supersededBy == new)
        let vex = try await line.statements(of: digest).filter { $0.type == "https://openvex.dev/ns" }
        #expect(try vex.map { try Statement(json: $0.payload).predicate["version"] } == [.integer(2)])
    }

    @Test func `of CycloneDX a VEX takes the place of VEX alone, and a bill of materials that of bills alone`()
        async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        let digest = try await line.image().descriptor.digest
        // both before the image: whichever is signed first, the other does not come too late
        let bill = try await line.attest(sampleCycloneDX(1, isVEX: false), "cyclonedx", about: digest, replaces: true)
        let vex = try await line.attest(sampleCycloneDX(2, isVEX: true), "cyclonedx", about: digest)
        try await line.push(digest)
        try await daemon.workOff()
        for id in [bill, vex] {
            let attestation = try await line.attestation(id)
            #expect(attestation.status.state == .signed && attestation.supersededBy == nil)
        }
        #expect(try await line.attestation(vex).replaces)

        let newVEX = try await line.attest(sampleCycloneDX(3, isVEX: true), "cyclonedx", about: digest)
        try await daemon.workOff()
        #expect(try await line.attestation(vex).supersededBy == newVEX)
        #expect(try await line.attestation(bill).supersededBy == nil)

        let newBill = try await line.attest(
            sampleCycloneDX(4, isVEX: false), "cyclonedx", about: digest, replaces: true)
        try await daemon.workOff()
        #expect(try await line.attestation(bill).supersededBy == newBill)
        #expect(try await line.attestation(newVEX).supersededBy == nil)

        // what the registry lists, in both formats: the two that count
        let listed = try await line.statements(of: digest).filter { $0.type == "https://cyclonedx.org/bom" }
        let versions = try listed.map { try Statement(json: $0.payload).predicate["version"] }
        #expect(versions.count == 2 && versions.contains(.integer(3)) && versions.contains(.integer(4)))
        #expect(try await line.pusher.legacyLayers(.attestation, of: digest, in: line.repository.name).count == 2)
    }

    @Test func `under the legacy tag the timestamp is over the whole layer, as cosign compares it`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon(.formats([.legacy]))
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let id = try await line.attest(sampleVEX(1), "openvex", about: digest)
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .signed)
        let name = line.repository.name
        let layer = try #require(try await line.pusher.legacyLayers(.attestation, of: digest, in: name).first)
        let bytes = try await line.pusher.blob(name, layer.digest, limit: layer.size)
        let stamp = try JSONValue(
            parsing: Array(try #require(layer.annotations?["dev.sigstore.cosign/rfc3161timestamp"]).utf8))
        let der = try #require(stamp["SignedRFC3161Timestamp"]?.text.flatMap(Base64.decode))
        #expect(try TimestampResponse(der: der).token?.imprint == Hash.sha256(bytes))
    }

    @Test func `the same document sent twice is one attestation with one log entry`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let before = try await line.referrers(of: digest).count
        let first = try await line.attest(sampleVEX(1), "openvex", about: digest)
        #expect(try await line.attest(sampleVEX(1), "vex", about: digest) == first)
        try await daemon.workOff()
        #expect(try await line.attest(sampleVEX(1), "openvex", about: digest) == first)
        try await daemon.workOff()
        #expect(try await line.referrers(of: digest).count == before + 1)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.audit WHERE action = 'attestation.upload'")
                == 3)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.document") == 1)
    }

    @Test(arguments: [("https://example.com/large", "{\"text\":\""), ("custom", "large \"text\" ")])
    func `a log that takes digests gets a large document whole, and it is never held`(type: String, start: String)
        async throws
    {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let document = Array((start + String(repeating: "x", count: 6_000_001) + "\"}").utf8)
        let id = try await line.attest(document, type, about: digest)
        // dies between the log and the registry, and goes on with the same bytes
        let queue = line.database
        line.registry.next(.answered(503)) { $0.method == "PATCH" }
        try await daemon.attemptAll()
        #expect(try await line.attestation(id).status.state == .waiting)
        #expect(try await queue.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NULL") == 1)
        try await daemon.workOff()
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed, "\(String(describing: attestation.status.lastError))")
        #expect(attestation.routes == [.bundle: .inline])

        // what is served verifies as any bundle does
        let uri = try PredicateType(type).uri
        let bundles = try await line.referrers(of: digest)
        #expect(bundles.count == 2)
        let verified = try bundles.compactMap { attached -> VerifiedSignature? in
            let bundle = try UnverifiedBundle(json: attached.bytes, limits: UnverifiedBundle.attestationLimits)
            guard case .envelope(let envelope) = bundle.content, envelope.payload.count > 1 << 20 else { return nil }
            return try daemon.signer.verify(.bundle(bundle), uri, for: digest, in: line.repository)
        }
        #expect(verified.count == 1)
        #expect(try await queue.number("SELECT count(*) FROM countersign.evidence") == 2)
    }

    @Test func `text that would grow beyond what verifiers read stands beside the image`() async throws {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        // in a JSON string each of these is six bytes
        let id = try await line.attest([UInt8](repeating: 1, count: 13 << 20), "custom", about: digest)
        try await daemon.workOff()
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed, "\(String(describing: attestation.status.lastError))")
        #expect(attestation.routes == [.bundle: .reference])
        #expect(try await line.statements(of: digest).map(\.type).contains(ReferencePredicate.type))
    }

    /// What the configuration has when the daemon comes back.
    enum Change: CaseIterable {
        case ruleOfAnotherName, furtherFormat, largerLimit
    }

    /// The daemon died before publishing, and comes back under another configuration.
    @Test(arguments: Change.allCases) func `a large document that was begun is finished as it was begun`(
        _ change: Change
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        var setup = SigningLine.Setup()
        setup.isRekorV2 = change != .furtherFormat
        // the document is to wait for nothing but its own publication
        let both = [SigningLine.Setup.rule(formats: [.bundle, .legacy])]
        if change == .furtherFormat { setup.rules = both }
        try await line.daemon(setup).workOff()
        setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let document = Array((#"{"text":""# + String(repeating: "x", count: 6_000_001) + #""}"#).utf8)
        let id = try await line.attest(document, "https://example.com/large", about: digest)
        let before = try await line.database.number("SELECT count(*) FROM countersign.evidence")
        line.registry.next(.answered(503), times: 100) { $0.method == "PATCH" }
        try await line.daemon(setup).attemptAll()
        #expect(try await line.attestation(id).status.state == .waiting)
        line.registry.heal()

        switch change {
        case .ruleOfAnotherName: setup.rules = [SigningLine.Setup.rule("renamed")]
        case .furtherFormat: setup.rules = both
        case .largerLimit: setup.inlineLimit = 8 << 20
        }
        try await line.daemon(setup).workOff()
        let status = try await line.attestation(id).status
        #expect(status.state == .signed, "\(String(describing: status.lastError))")
        #expect(try await line.attestation(id).routes == [.bundle: .inline])
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == before + 1)
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE abandoned_at IS NOT NULL")
                == 0)
        #expect(try await line.referrers(of: digest).count == 2)
    }

    @Test func `a document that was begun whole is finished whole, whatever the limit is by now`() async throws {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        (setup.isRekorV2, setup.inlineLimit) = (true, 8 << 20)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        let document = Array((#"{"text":""# + String(repeating: "x", count: 2_000_001) + #""}"#).utf8)
        let id = try await line.attest(document, "https://example.com/large", about: digest)
        line.registry.next(.answered(503), times: 100, where: \.isBlobUpload)
        try await line.daemon(setup).attemptAll()
        #expect(try await line.attestation(id).status.state == .waiting)
        line.registry.heal()

        setup.inlineLimit = 1 << 20
        try await line.daemon(setup).workOff()
        let status = try await line.attestation(id).status
        #expect(status.state == .signed, "\(String(describing: status.lastError))")
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE abandoned_at IS NOT NULL")
                == 0)
        #expect(try await line.referrers(of: digest).count == 2)
    }

    @Test func `a document too large for the log stands beside the image, and its digest is signed`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await daemon.workOff()
        let document = Array((#"{"text":""# + String(repeating: "x", count: 9 << 20) + #""}"#).utf8)
        let id = try await line.attest(document, "https://example.com/large", about: digest)
        try await daemon.workOff()
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed, "\(String(describing: attestation.status.lastError))")
        #expect(attestation.routes == [.bundle: .reference])
        let statement = try #require(try await line.statements(of: digest).first { $0.type == ReferencePredicate.type })
        let predicate = try Statement(json: statement.payload).predicate
        guard case .array(let references)? = predicate["references"], let reference = references.first else {
            Issue.record("no reference")
            return
        }
        #expect(reference["digest"]?["sha256"]?.text == Digest.sha256(of: document).hex)
        #expect(
            try await line.pusher.blob(line.repository.name, .sha256(of: document), limit: document.count) == document)
        let parts = try await line.database.number("SELECT max(octet_length(bytes)) FROM countersign.document_part")
        #expect(parts == 1 << 20)
    }
}

extension SigningLine {
    /// A referrer as cosign pushes it; never signed.
    func signatureMaterial(about subject: Manifest) async throws -> OCI.Digest {
        let bundle = Array("{}".utf8)
        let referrer = BundleReferrer.render(
            bundle: bundle, subject: subject.descriptor, predicateType: "x", created: Date(timeIntervalSince1970: 0))
        try await pusher.pushBlob(repository.name, bundle)
        return try await pusher.pushManifest(
            repository.name, bytes: referrer.manifest, mediaType: MediaType.ociManifest, reference: .tag("other")
        ).digest
    }
}
