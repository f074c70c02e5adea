import FoundationEssentials
import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

/// One thing changed at a time; each is refused by its own check.
@Suite struct TamperedBundleTests {
    let verifier: Verifier

    init() throws { verifier = Verifier(root: try Fixture.root()) }

    private func refusal(
        _ bundle: UnverifiedBundle, artifact: String = Fixture.digest, identity: CertificateIdentity? = nil,
        expecting: String? = nil, repositories: [String]? = nil, by verifier: Verifier? = nil
    ) throws -> VerificationError.Check? {
        do {
            _ = try (verifier ?? self.verifier).verify(
                bundle, artifact: ArtifactDigest(artifact), identity: identity ?? Fixture.identity(),
                expecting: expecting, repositories: repositories)
            return nil
        } catch let error as VerificationError {
            #expect(error.code == "verify.\(error.check.rawValue)")
            #expect(!error.observed.isEmpty && !error.fix.isEmpty)
            return error.check
        }
    }

    private func change(
        _ scenario: String = "rekor1-tsa", payload: (inout [UInt8]) -> Void = { _ in },
        signature: (inout [UInt8]) -> Void = { _ in }, certificate: (inout [UInt8]) -> Void = { _ in },
        timestamp: (inout [UInt8]) -> Void = { _ in }, entry: (inout TlogEntry) -> Void = { _ in }
    ) throws -> UnverifiedBundle {
        let bundle = try Fixture.bundle(scenario)
        guard case .envelope(let envelope) = bundle.content, case .certificate(var der) = bundle.material else {
            throw VerifierTests.Unexpected()
        }
        var (body, sig, entries, timestamps) = (
            envelope.payload, envelope.signatures[0].sig, bundle.tlogEntries, bundle.timestamps
        )
        payload(&body)
        signature(&sig)
        certificate(&der)
        entry(&entries[0])
        if !timestamps.isEmpty { timestamp(&timestamps[0]) }
        return UnverifiedBundle(
            version: .v03, material: .certificate(der),
            content: .envelope(
                Envelope(payload: body, payloadType: envelope.payloadType, signatures: [.init(sig: sig)])),
            tlogEntries: entries, timestamps: timestamps)
    }

    @Test func `what is not changed is accepted`() throws {
        #expect(try refusal(change()) == nil)
        #expect(try refusal(change("rekor1")) == nil)
    }

    @Test(arguments: ["rekor1", "rekor1-tsa"])
    func `a changed signature or statement`(scenario: String) throws {
        #expect(try refusal(change(scenario, signature: { $0[$0.count - 1] ^= 1 })) == .signature)
        #expect(try refusal(change(scenario, payload: { $0[30] ^= 1 })) == .signature)
        #expect(try refusal(change(scenario, payload: { $0.append(0x20) })) == .signature)
    }

    @Test func `a changed certificate`() throws {
        // the last byte is of the authority's signature: key and names stay, the chain breaks
        #expect(try refusal(change(certificate: { $0[$0.count - 1] ^= 1 })) == .chain)
        // another certificate: another key
        let other = try Fixture.bundle("rekor1")
        guard case .certificate(let der) = other.material else { throw VerifierTests.Unexpected() }
        #expect(try refusal(change(certificate: { $0 = der })) == .signature)
        #expect(try refusal(change(certificate: { $0 = [0x30, 0x00] })) == .material)
    }

    @Test func `a changed timestamp, or one over another signature`() throws {
        #expect(try refusal(change(timestamp: { $0[$0.count - 1] ^= 1 })) == .timestamp)
        #expect(try refusal(change(timestamp: { $0 = [] })) == .timestamp)
        let foreign = try Fixture.bundle().timestamps
        let bundle = try Fixture.bundle("rekor1")
        let mixed = UnverifiedBundle(
            version: .v03, material: bundle.material, content: bundle.content, tlogEntries: bundle.tlogEntries,
            timestamps: foreign)
        #expect(try refusal(mixed) == .timestamp)
    }

    @Test func `a changed promise, index, time or log id`() throws {
        #expect(try refusal(change(entry: { $0.inclusionPromise?[20] ^= 1 })) == .signedEntryTimestamp)
        #expect(try refusal(change(entry: { $0.logIndex += 1 })) == .signedEntryTimestamp)
        #expect(try refusal(change(entry: { $0.integratedTime += 1 })) == .signedEntryTimestamp)
        #expect(try refusal(change(entry: { $0.logID[0] ^= 1 })) == .log)
        #expect(try refusal(change(entry: { $0.canonicalizedBody[9] ^= 1 })) == .signedEntryTimestamp)
    }

    @Test func `no trustworthy time at all`() throws {
        #expect(try refusal(change("rekor1", entry: { $0.inclusionPromise = nil })) == .time)
    }

    @Test func `without a promise nothing proves the time that an entry claims, nor Rekor v1's index`() throws {
        let bundle = try change(entry: {
            $0.inclusionPromise = nil
            $0.logIndex = 424242
        })
        let verified = try verifier.verify(bundle, artifact: Fixture.artifact(), identity: Fixture.identity())
        let entry = try #require(verified.tlogEntry)
        #expect(entry.provenIndex == nil && entry.provenTime == nil)
        #expect(!verified.checks.contains { $0.contains("424242") })
        let promised = try Fixture.bundle().tlogEntries[0]
        #expect(promised.provenIndex == promised.logIndex && promised.provenTime != nil)
        // a tiled log's entries have the index of their proof, and no time
        let tiled = try Fixture.bundle("rekor2-tsa").tlogEntries[0]
        #expect(tiled.provenIndex == tiled.logIndex && tiled.provenTime == nil)
        #expect(try refusal(change("rekor2-tsa", entry: { $0.integratedTime = 1_600_000_000 })) == .certificateValidity)
        #expect(try refusal(change("rekor2-tsa", entry: { $0.inclusionPromise = [1] })) == .signedEntryTimestamp)
    }

    @Test func `an entry that claims no time is dated by the timestamp`() throws {
        let undated = try change(entry: {
            $0.inclusionPromise = nil
            $0.integratedTime = 0
        })
        #expect(try refusal(undated) == nil)
    }

    @Test func `a time outside the certificate's validity`() throws {
        // without its promise the entry's time is only claimed, and still may not lie outside
        let late = try change(entry: {
            $0.inclusionPromise = nil
            $0.integratedTime += 3600
        })
        #expect(try refusal(late) == .certificateValidity)
    }

    @Test func `a log that is not trusted at the proven time, whatever its entry claims`() throws {
        let bundle = try change(entry: { $0.inclusionPromise = nil })
        guard case .certificate(let der) = bundle.material else { throw VerifierTests.Unexpected() }
        let retirement = try Certificate(der: der).notBefore - 60
        let root = try Fixture.root()
        let retired = root.tlogs.map { log in
            TrustedLog(
                baseURL: log.baseURL, logID: log.logID, keyBytes: log.keyBytes, key: log.key,
                keyDetails: log.keyDetails,
                validity: ValidityWindow(start: .distantPast, end: retirement))
        }
        let verifier = Verifier(
            root: TrustedRoot(
                tlogs: retired, ctLogs: root.ctLogs, certificateAuthorities: root.certificateAuthorities,
                timestampAuthorities: root.timestampAuthorities))
        // it was signed later, says the timestamp
        let early = try change(entry: {
            $0.inclusionPromise = nil
            $0.integratedTime = Int64(retirement.timeIntervalSince1970) - 60
        })
        #expect(try refusal(bundle) == nil)
        #expect(try refusal(bundle, by: verifier) == .log)
        #expect(try refusal(early, by: verifier) == .log)
    }

    @Test func `a changed inclusion proof`() throws {
        #expect(try refusal(change(entry: { $0.inclusionProof?.rootHash[0] ^= 1 })) == .checkpoint)
        #expect(try refusal(change(entry: { $0.inclusionProof?.treeSize += 1 })) == .checkpoint)
        #expect(
            try refusal(change(entry: { $0.inclusionProof?.hashes.append([UInt8](repeating: 0, count: 32)) }))
                == .inclusionProof)
        #expect(try refusal(change(entry: { $0.inclusionProof?.logIndex += 1 })) == .inclusionProof)
    }

    @Test func `a changed checkpoint`() throws {
        func note(_ edit: (String) -> String) throws -> UnverifiedBundle {
            try change(entry: { entry in
                let original = entry.inclusionProof?.checkpoint ?? ""
                entry.inclusionProof?.checkpoint = edit(original)
            })
        }
        #expect(
            try refusal(note { $0.replacing("rekor.realstack.test - 7", with: "rekor.realstack.test - 8") })
                == .checkpoint)
        #expect(try refusal(note { $0.replacing("aSCk5TBF", with: "aSCk5jBF") }) == .checkpoint)
        #expect(try refusal(note { $0.replacing("aSCk5TBFAiAo", with: "aSCk5TBFAiAp") }) == .checkpoint)
        #expect(try refusal(note { _ in "" }) == .checkpoint)
    }

    @Test func `no entry, a second entry that is not of this signature`() throws {
        let bundle = try Fixture.bundle()
        let none = UnverifiedBundle(
            version: .v03, material: bundle.material, content: bundle.content, tlogEntries: [],
            timestamps: bundle.timestamps)
        #expect(try refusal(none) == .tlogEntry)
        let undated = UnverifiedBundle(
            version: .v03, material: bundle.material, content: bundle.content, tlogEntries: [], timestamps: [])
        #expect(try refusal(undated) == .tlogEntry)
        let twice = UnverifiedBundle(
            version: .v03, material: bundle.material, content: bundle.content,
            tlogEntries: bundle.tlogEntries + bundle.tlogEntries, timestamps: bundle.timestamps)
        #expect(try refusal(twice) == .tlogEntry)
        let two = UnverifiedBundle(
            version: .v03, material: bundle.material, content: bundle.content,
            tlogEntries: bundle.tlogEntries + (try Fixture.bundle("rekor1").tlogEntries), timestamps: bundle.timestamps)
        #expect(try refusal(two) == .tlogBody)
    }

    @Test func `an index that nothing proves neither hides one entry twice nor makes two into one`() throws {
        let bundle = try Fixture.bundle()
        var unproven = try #require(bundle.tlogEntries.first)
        unproven.inclusionPromise = nil
        func with(_ others: TlogEntry...) -> UnverifiedBundle {
            UnverifiedBundle(
                version: .v03, material: bundle.material, content: bundle.content, tlogEntries: [unproven] + others,
                timestamps: bundle.timestamps)
        }
        func observed(_ bundle: UnverifiedBundle) throws -> String? {
            do {
                _ = try verifier.verify(bundle, artifact: Fixture.artifact(), identity: Fixture.identity())
                return nil
            } catch let error as VerificationError { return error.observed }
        }
        var moved = unproven
        moved.logIndex += 1
        #expect(try observed(with()) == nil)
        #expect(try observed(with(moved)) == "one entry of one log twice: \(moved.name)")
        #expect(moved.name == "uuid \(Hex.encode(Merkle.leafHash(moved.canonicalizedBody)))")
        // the log's promise for one of both changes nothing
        #expect(try refusal(with(bundle.tlogEntries[0])) == .tlogEntry)
        var other = unproven
        other.canonicalizedBody = try #require(try Fixture.bundle("rekor1").tlogEntries.first).canonicalizedBody
        #expect(try refusal(with(other)) == .tlogBody)
        // a log may have taken one body twice
        var (first, second) = (bundle.tlogEntries[0], bundle.tlogEntries[0])
        second.logIndex += 1
        #expect(first.name == "index \(first.logIndex)" && !first.isSame(as: second))
        first.logIndex = second.logIndex
        #expect(first.isSame(as: second))
    }

    @Test func `another identity, issuer, artifact or predicate type`() throws {
        let bundle = try Fixture.bundle()
        #expect(
            try refusal(
                bundle, identity: Fixture.identity("https://kubernetes.io/namespaces/ci/serviceaccounts/Signer"))
                == .identity)
        #expect(try refusal(bundle, identity: Fixture.identity(issuer: "http://127.0.0.1:47050/k8s/")) == .issuer)
        #expect(try refusal(bundle, artifact: "sha256:" + String(repeating: "0", count: 64)) == .subject)
        #expect(try refusal(bundle, expecting: "https://spdx.dev/Document") == .predicateType)
    }

    @Test func `patterns are searched as cosign does, and an empty one is refused`() throws {
        let bundle = try Fixture.bundle()
        let inside = try CertificateIdentity(subjectAlternativeName: .regex("/ci/"), issuer: .regex("^http://127"))
        #expect(try refusal(bundle, identity: inside) == nil)
        let anchored = try CertificateIdentity(subjectAlternativeName: .regex("^/ci/"), issuer: .regex("^http://127"))
        #expect(try refusal(bundle, identity: anchored) == .identity)
        #expect(throws: SigstoreError.self) {
            try CertificateIdentity(subjectAlternativeName: .regex(""), issuer: .exact("x"))
        }
        #expect(throws: SigstoreError.self) {
            try CertificateIdentity(subjectAlternativeName: .regex("("), issuer: .exact("x"))
        }
    }

    @Test(arguments: [
        ("ctlogs", VerificationError.Check.certificateTimestamp), ("tlogs", .log), ("certificateAuthorities", .chain),
        ("timestampAuthorities", .timestamp),
    ])
    func `a trusted root without the part that vouches`(member: String, check: VerificationError.Check) throws {
        let json = try JSONValue(parsing: Fixture.bytes("trusted_root.json"))
        guard case .object(let object) = json else { throw VerifierTests.Unexpected() }
        let rest = JSONValue.object(JSONObject(object.members.filter { $0.name != member }))
        let other = Verifier(root: try TrustedRoot(json: rest.encoded()))
        #expect(try refusal(Fixture.bundle(), by: other) == check)
    }
}
