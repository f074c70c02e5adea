import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Whether the logs hold what an image's signatures bring: ours in both formats, and what a stranger puts beside them.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct VerifyLogEntriesTests {
    private struct Signed {
        let line: SigningLine
        let image: Manifest
        let verifier: Verifier
        let state: TemporaryDirectory
        var reference: Reference { get throws { try Reference("\(line.repository)@\(image.descriptor.digest)") } }

        init(_ setup: SigningLine.Setup = .formats([.bundle, .legacy]), lab: Lab? = nil) async throws {
            line = try await SigningLine(lab: lab)
            image = try await line.image()
            state = try TemporaryDirectory()
            try await line.push(image.descriptor.digest)
            let daemon = try await line.daemon(setup)
            try await daemon.workOff()
            verifier = try daemon.signer.trust.verifier
        }

        /// All logs of the trusted root.
        var logs: LogSites {
            LogSites(verifier, in: TrustedLogs(verifier.root, others: .loopback("")), http: SigningLine.http)
        }

        /// The older log alone, through the relay.
        func relayed() async throws -> LogSites {
            try await LogSites(
                only: LogSite(
                    .init(name: "rekor", api: .v1, upstream: .loopback(line.rekor.url)), trusting: verifier,
                    http: SigningLine.http), verifier: verifier)
        }

        func findings(
            in logs: LogSites? = nil, signatures: SignaturePlace? = nil, allowance: Int = AttachedSignatures.allowance
        ) async throws -> [VerifyLogEntries.Finding] {
            let (digest, findings) = try await VerifyLogEntries(
                registry: line.pusher, signatures: signatures, in: logs ?? self.logs,
                remembering: FileCheckpoints(folder: state.path), allowance: allowance
            ).verify(reference)
            #expect(digest == image.descriptor.digest)
            return findings
        }

        /// Puts a bundle beside the image, as anybody may who can push there.
        @discardableResult
        func attach(_ bundle: [UInt8]) async throws -> OCI.Digest {
            let referrer = BundleReferrer.render(
                bundle: bundle, subject: image.descriptor, predicateType: Statement.cosignSignPredicateType,
                created: Date(timeIntervalSince1970: 0))
            return try await line.pusher.attach(referrer, bundle: bundle, to: line.repository.name).manifest.digest
        }

        /// Our own bundle with another entry.
        func bundle(_ change: (inout TlogEntry) -> Void) async throws -> [UInt8] {
            let ours = try #require(try await line.referrers(of: image.descriptor.digest).first)
            let bundle = try UnverifiedBundle(json: ours.bytes)
            var entry = try #require(bundle.tlogEntries.first)
            change(&entry)
            return try UnverifiedBundle(bundle.content, bundle.material, [entry], timestamps: bundle.timestamps).json()
        }
    }

    @Test func `each signature is looked up by itself, in both formats, and what the log said is remembered`()
        async throws
    {
        let signed = try await Signed()
        let findings = try await signed.findings()
        #expect(findings.map(\.outcome) == [.verified, .verified] && findings.holds == true)
        #expect(findings.allSatisfy { $0.failure == nil && $0.checks.contains { $0.check == "consistency" } })
        #expect(findings.map { $0.signature?.contains(".sig layer ") } == [false, true])
        #expect(Set(findings.map(\.logIndex)).count == 2)
        #expect(findings.last?.checks.last?.against == nil, "the first look: the smaller one")
        let again = try await signed.findings()
        #expect(again.holds == true && again.allSatisfy { $0.checks.last?.against != nil })
    }

    @Test func `a log of tiles and an older one are each asked for their own`() async throws {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let signed = try await Signed(setup)
        let findings = try await signed.findings()
        #expect(findings.map(\.outcome) == [.verified])
        #expect(findings.first?.log == (try await signed.line.lab.endpoints.rekor2))
        // with the older one named, this one was not asked, and that is no answer
        let other = try await signed.findings(in: signed.relayed())
        #expect(other.map(\.outcome) == [.elsewhere] && other.map(\.failure?.code) == ["log.not_asked"])
        #expect(other.holds == false)
    }

    @Test func `what a stranger attached is told one by one, and decides nothing`() async throws {
        let signed = try await Signed()
        let changed = [
            try await signed.bundle { $0.inclusionPromise = [1, 2, 3] }, try await signed.bundle { $0.logIndex += 1 },
        ]
        let malformed = try await signed.attach(Array("{".utf8))
        let elsewhere = try await SigningLine.withAnotherLab { lab in
            let other = try await Signed(.formats([.bundle]), lab: lab)
            return try #require(try await other.line.referrers(of: other.image.descriptor.digest).first).bytes
        }
        let foreign = try await signed.attach(elsewhere)
        let forged = try await signed.attach(changed[0])
        let moved = try await signed.attach(changed[1])
        let gone = Array("gone".utf8)
        let missing = try await signed.attach(gone)
        try await signed.line.delete(.sha256(of: gone), "blobs")

        let findings = try await signed.findings()
        func finding(_ referrer: OCI.Digest) -> VerifyLogEntries.Finding? {
            findings.first { $0.signature?.hasSuffix("\(referrer)") == true }
        }
        #expect(findings.count == 7 && findings.holds == true)
        #expect(findings.filter(\.verified).count == 2)
        #expect(finding(malformed)?.outcome == .unreadable && finding(malformed)?.failure?.code == "sigstore.malformed")
        #expect(finding(missing)?.outcome == .unreadable && finding(missing)?.failure?.code == "verify.missing")
        #expect(finding(foreign)?.outcome == .elsewhere)
        #expect(finding(forged)?.outcome == .unproven && finding(forged)?.failure?.code == "verify.set")
        #expect(finding(moved)?.outcome == .unproven)
        #expect(findings.summary.contains("2 that cannot be read"))
    }

    @Test func `the summary tells what waits for a proof from what does not verify`() {
        let findings = ["log.checkpoint_waiting", "log.checkpoint_unknown", "verify.set"].map { code in
            VerifyLogEntries.Finding("one", .unproven, code: code, "seen")
        }
        #expect(
            findings.summary
                == "Of 3 entries and signatures: 1 whose checkpoints are not proven yet, 1 whose checkpoints are not kept, "
                + "1 that do not verify by themselves.")
    }

    @Test func `without a promise the index is nobody's word, and the entry is found by its body`() async throws {
        let signed = try await Signed(.formats([.bundle]))
        try await signed.attach(
            signed.bundle {
                $0.inclusionPromise = nil
                $0.logIndex += 1_000_000
            })
        let findings = try await signed.findings()
        #expect(findings.map(\.outcome) == [.verified, .verified])
        #expect(findings[0].logIndex == findings[1].logIndex, "where the log has it")
    }

    @Test func `an entry that the log vouched for and does not have counts against it`() async throws {
        let signed = try await Signed(.formats([.bundle]))
        let logs = try await signed.relayed()
        #expect(try await signed.findings(in: logs).holds == true)
        signed.line.rekor.next(.answered(404, body: "{}"), times: 9) { $0.path == "/api/v1/log/entries" }
        let findings = try await signed.findings(in: logs)
        #expect(findings.map(\.outcome) == [.refused] && findings.holds == false)
        #expect(findings.first?.failure?.code == "rekor.entry_not_found")
    }

    @Test func `what is behind the bytes that are read leaves the question open, unless a log denies an entry`()
        async throws
    {
        let signed = try await Signed(.formats([.bundle]))
        let large = try await signed.attach(Array(repeating: UInt8(ascii: "x"), count: 1 << 18))
        let all = try await signed.findings()
        #expect(all.map(\.outcome) == [.verified, .unreadable] && all.holds == true)
        // our bundle is smaller than that, and read first
        let allowance = (1 << 18) - AttachedSignatures.attestationLimit
        let findings = try await signed.findings(allowance: allowance)
        #expect(findings.map(\.outcome) == [.verified, .unread] && findings.holds == nil)
        #expect(findings.last?.signature?.hasSuffix("\(large)") == true)
        #expect(findings.last?.failure?.code == "verify.unread")
        #expect(findings.summary.contains("1 that were not read"))

        let logs = try await signed.relayed()
        signed.line.rekor.next(.answered(404, body: "{}"), times: 9) { $0.path == "/api/v1/log/entries" }
        let denied = try await signed.findings(in: logs, allowance: allowance)
        #expect(denied.map(\.outcome) == [.refused, .unread] && denied.holds == false)
    }

    @Test func `a registry or a log that does not answer leaves the question open`() async throws {
        let signed = try await Signed(.formats([.bundle]))
        let logs = try await signed.relayed()
        signed.line.rekor.next(.lost, times: 99)
        await #expect(throws: SigstoreError.self) { try await signed.findings(in: logs) }
        await #expect(throws: SigstoreError.self) { try await signed.relayed() }
        signed.line.rekor.heal()
        #expect(try await signed.findings(in: logs).holds == true)
    }

    @Test func `a signature without entry, and one that is kept apart`() async throws {
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        let line = try await SigningLine()
        setup.signatureRepository = "\(SigningLine.registryName)/\(line.repository.name)-signatures"
        let signed = try await Signed(setup)
        #expect(try await signed.findings().isEmpty)
        let place = SignaturePlace(
            registry: signed.line.pusher,
            repository: try Repository(
                registry: SigningLine.registryName, name: line.repository.name + "-signatures"))
        #expect(try await signed.findings(signatures: place).map(\.outcome) == [.verified, .verified])

        let kept = try await line.pusher.attachedBundles(
            place.repository.name, of: signed.image.descriptor.digest)
        let bundle = try UnverifiedBundle(json: try #require(kept.first).bytes)
        try await signed.attach(
            UnverifiedBundle(bundle.content, bundle.material, [], timestamps: bundle.timestamps).json())
        let unlogged = try await signed.findings()
        #expect(unlogged.map(\.failure?.code) == ["log.no_entry"] && unlogged.holds == false)
    }
}

extension UpstreamConfiguration {
    /// A server of a test: without TLS, on this machine.
    static func loopback(_ url: String) -> UpstreamConfiguration {
        var upstream = UpstreamConfiguration(url: url)
        (upstream.privateNetwork, upstream.plainHTTP, upstream.proxy) = (true, true, .none)
        return upstream
    }
}
