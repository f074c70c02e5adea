import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Verification that asks the log, too: it must have the entry, and tell one history.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct OnlineCheckTests {
    /// A signed image, and a folder in which what the log says is remembered.
    private struct Signed {
        let line: SigningLine
        let digest: OCI.Digest
        let state: TemporaryDirectory

        init(_ setup: SigningLine.Setup = .init()) async throws {
            line = try await SigningLine()
            digest = try await line.image().descriptor.digest
            state = try TemporaryDirectory()
            try await line.push(digest)
            try await line.daemon(setup).workOff()
        }

        /// Another image, signed.
        func another(_ tag: String) async throws -> OCI.Digest {
            let digest = try await line.image(tag: tag).descriptor.digest
            try await line.push(digest)
            try await line.daemon().workOff()
            return digest
        }

        /// - Parameters:
        ///   - url: of the log; nil: where the trusted root says.
        ///   - other: an image; nil: the first.
        func report(url: String? = nil, of other: OCI.Digest? = nil) async throws -> VerifyReference.Report {
            let verifier = try await line.daemon().signer.trust.verifier
            let folder = state.path
            let logs = OnlineLogs(
                root: verifier.root, url: url, others: .loopback(""), http: SigningLine.http
            ) { _ in .init(folder: folder) }
            let expected = try CertificateIdentity(
                subjectAlternativeName: .exact(SigningLine.Setup().subject),
                issuer: .exact(try await line.lab.endpoints.issuer(.kubernetes)))
            return try await VerifyReference(
                registry: line.pusher, verifier: verifier, expecting: .init(.certificate(expected)),
                online: OnlineCheck { try logs.log(of: $0) }
            ).verify(Reference("\(line.repository)@\(other ?? digest)"))
        }
    }

    private static let json: [(String, String)] = [("Content-Type", "application/json")]

    private func asked(_ signed: Signed, _ path: String) async throws -> String {
        let url = try await signed.line.lab.endpoints.rekor + path
        return String(
            decoding: try await SigningLine.http.send(HTTPRequest(.get, url, route: SigningLine.route)).body,
            as: UTF8.self)
    }

    @Test(arguments: [[SignatureFormat.bundle], [.legacy], [.bundle, .legacy]])
    func `the log has the entry, and extends what it said before`(_ formats: [SignatureFormat]) async throws {
        let signed = try await Signed(.formats(formats))
        let first = try await signed.report()
        #expect(first.rejected.isEmpty && first.signatures.count == formats.count)
        // the smaller signature is read first, wherever it is listed
        let confirmations = first.signatures.flatMap(\.confirmations)
        #expect(confirmations.filter { $0.extends == nil }.count == 1)
        let confirmation = try #require(confirmations.first)
        #expect(confirmation.treeSize >= UInt64(formats.count))
        let again = try await signed.report()
        let known = try #require(again.signatures.first?.confirmations.first?.extends)
        #expect(known >= confirmation.treeSize)
    }

    @Test func `a log of tiles is asked by its tiles`() async throws {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let signed = try await Signed(setup)
        let report = try await signed.report()
        #expect(report.rejected.isEmpty)
        let confirmation = try #require(report.signatures.first?.confirmations.first)
        #expect(confirmation.log == (try await signed.line.lab.endpoints.rekor2))
    }

    @Test func `with a configuration a log that only the signing configuration names is reached as that says`()
        async throws
    {
        let signed = try await Signed()
        let lab = signed.line.lab
        let trust = try Trust(
            TrustDocuments(trustedRoot: try await lab.trustedRootJSON, signingConfig: try await lab.signingConfigJSON),
            origin: "lab")
        var sigstore = SigstoreConfiguration.leftToTheInstance
        func report(_ sigstore: SigstoreConfiguration) async throws -> VerifyReference.Report {
            let folder = signed.state.path
            let logs = OnlineLogs(trust, as: sigstore, http: SigningLine.http) { _ in .init(folder: folder) }
            return try await VerifyReference(
                registry: signed.line.pusher, verifier: trust.verifier,
                expecting: .init(
                    .certificate(
                        try CertificateIdentity(
                            subjectAlternativeName: .exact(SigningLine.Setup().subject),
                            issuer: .exact(try await lab.endpoints.issuer(.kubernetes))))),
                online: OnlineCheck { try logs.log(of: $0) }
            ).verify(Reference("\(signed.line.repository)@\(signed.digest)"))
        }
        let error = await #expect(throws: SigstoreError.self) {
            try await report(.leftToTheInstance)
        }
        #expect(error?.code == "rekor.misconfigured", "a private address, and nobody said that this is meant")
        sigstore.upstreams = .loopback("")
        #expect(sigstore.knownLogs(trust.signingConfig).contains { $0.upstream.privateNetwork })
        #expect(try await report(sigstore).signatures.first?.confirmations.count == 1)
    }

    @Test func `an entry that the log does not have is no signature, and the answer says where it was looked for`()
        async throws
    {
        let signed = try await Signed()
        signed.line.rekor.next(.answered(404, body: "{}"), times: 9) { $0.path == "/api/v1/log/entries" }
        let report = try await signed.report(url: signed.line.rekor.url)
        #expect(!report.isVerified)
        let rejection = try #require(report.rejected.first)
        #expect(rejection.code == "rekor.entry_not_found")
        #expect(rejection.observed.hasPrefix("Rekor entry not found: index "))
        #expect(rejection.observed.contains("whose newest checkpoint has "))
        #expect(rejection.fix?.isEmpty == false)
    }

    @Test func `an entry of which nothing proves the index is told by what the log was asked for`() async throws {
        let signed = try await Signed()
        let (line, reference) = (signed.line, try Reference("\(signed.line.repository)@\(signed.digest)"))
        let ours = try #require(try await line.referrers(of: signed.digest).first)
        let bundle = try UnverifiedBundle(json: ours.bytes)
        var entry = try #require(bundle.tlogEntries.first)
        entry.inclusionPromise = nil
        entry.logIndex += 1_000_000
        let unproven = try UnverifiedBundle(bundle.content, bundle.material, [entry], timestamps: bundle.timestamps)
            .json()
        let referrer = BundleReferrer.render(
            bundle: unproven, subject: try await line.pusher.subject(of: reference).descriptor,
            predicateType: Statement.cosignSignPredicateType, created: Date(timeIntervalSince1970: 0))
        _ = try await line.pusher.attach(referrer, bundle: unproven, to: line.repository.name)
        line.rekor.next(.answered(404, body: "{}"), times: 9) { $0.path.hasPrefix("/api/v1/log/entries/") }
        let rejection = try #require(try await signed.report(url: line.rekor.url).rejected.first)
        #expect(rejection.code == "rekor.entry_not_found")
        let leaf = Hex.encode(Merkle.leafHash(entry.canonicalizedBody))
        #expect(rejection.observed.hasPrefix("Rekor entry not found: uuid \(leaf) in "))
    }

    @Test func `a 404 of something that is not the log leaves the question open`() async throws {
        let signed = try await Signed()
        signed.line.rekor.next(.answered(404, body: "<html>"), times: 99)
        await #expect(throws: SigstoreError.self) { try await signed.report(url: signed.line.rekor.url) }
    }

    @Test func `another entry in its place is no signature`() async throws {
        let signed = try await Signed()
        let other = try await Signed()
        let uuid = try #require(try await other.line.logEntries(about: other.digest).first)
        let body = try await SigningLine.http.send(
            HTTPRequest(
                .get, try await other.line.lab.endpoints.rekor + "/api/v1/log/entries/\(uuid)", route: SigningLine.route
            )
        ).body
        signed.line.rekor.next(
            .answered(
                200, headers: [("Content-Type", "application/json")], body: String(decoding: body, as: UTF8.self)),
            times: 9
        ) { $0.path == "/api/v1/log/entries" }
        let report = try await signed.report(url: signed.line.rekor.url)
        #expect(!report.isVerified && report.rejected.map(\.code) == ["rekor.entry_differs"])
    }

    @Test func `the entry under another index is another`() async throws {
        let signed = try await Signed()
        let index = try #require(try await signed.line.signature(of: signed.digest)).logIndex
        let answer = try await asked(signed, "/api/v1/log/entries?logIndex=\(index)")
            .replacing("\"logIndex\":\(index)", with: "\"logIndex\":\(index + 1)")
        signed.line.rekor.next(.answered(200, headers: Self.json, body: answer), times: 9) {
            $0.path == "/api/v1/log/entries"
        }
        let report = try await signed.report(url: signed.line.rekor.url)
        #expect(!report.isVerified && report.rejected.map(\.code) == ["rekor.entry_differs"])
    }

    @Test func `a log that shows less than the signature was logged in is behind: the question stays open`()
        async throws
    {
        let signed = try await Signed()
        let before = try await asked(signed, "/api/v1/log")
        let second = try await signed.another("v2")
        signed.line.rekor.next(.answered(404, body: "{}"), times: 9) { $0.path == "/api/v1/log/entries" }
        signed.line.rekor.next(.answered(200, headers: Self.json, body: before), times: 9) { $0.path == "/api/v1/log" }
        let error = await #expect(throws: SigstoreError.self) {
            try await signed.report(url: signed.line.rekor.url, of: second)
        }
        #expect(error?.code == "rekor.unavailable")
        #expect(error?.observed.contains("it is behind") == true)
    }

    @Test func `a proof that was altered on the way says nothing about the log`() async throws {
        let signed = try await Signed()
        #expect(try await signed.report().isVerified)
        _ = try await signed.another("v2")
        let altered = #"{"rootHash":"\#(String(repeating: "0", count: 64))","hashes":["00"]}"#
        signed.line.rekor.next(.answered(200, headers: Self.json, body: altered), times: 9) {
            $0.path == "/api/v1/log/proof"
        }
        let error = await #expect(throws: SigstoreError.self) { try await signed.report(url: signed.line.rekor.url) }
        #expect(error?.code == "rekor.bad_answer")
        let files = try FileManager.default.contentsOfDirectory(atPath: signed.state.path)
        #expect(!files.contains { $0.hasSuffix(".contradiction") })
        signed.line.rekor.heal()
        #expect(try await signed.report(url: signed.line.rekor.url).isVerified)
    }

    @Test func `a log that does not answer leaves the question open`() async throws {
        let signed = try await Signed()
        signed.line.rekor.next(.lost, times: 99)
        let error = await #expect(throws: SigstoreError.self) {
            try await signed.report(url: signed.line.rekor.url)
        }
        #expect(error?.code == "rekor.unavailable")
        signed.line.rekor.heal()
        #expect(try await signed.report(url: signed.line.rekor.url).isVerified)
    }

    @Test func `less than the log showed before confirms nothing until it proves that it is the same history`()
        async throws
    {
        let signed = try await Signed()
        let shown = try #require(try await signed.report().signatures.first?.confirmations.first)
        let larger = try Checkpoint(
            note: Checkpoint.note(
                text: Checkpoint.text(
                    origin: shown.origin, size: shown.treeSize + 1_000_000, rootHash: Array(repeating: 7, count: 32)),
                name: "larger", keyHint: [0, 0, 0, 0], signature: [1, 2, 3]))
        let store = FileCheckpoints(folder: signed.state.path)
        #expect(try await store.record(larger) == nil)
        try await store.prove([larger])
        let error = await #expect(throws: SigstoreError.self) { try await signed.report() }
        #expect(error?.code == "rekor.unavailable")
        #expect(error?.observed.contains("showed one of \(larger.size) before") == true)
    }

    @Test func `a tree that does not extend what was remembered is a contradiction, and both notes are kept`()
        async throws
    {
        let signed = try await Signed()
        let report = try await signed.report()
        let origin = try #require(report.signatures.first?.confirmations.first?.origin)
        // what another history would have left behind
        let forged = try Checkpoint(
            note: Checkpoint.note(
                text: Checkpoint.text(origin: origin, size: 3, rootHash: Array(repeating: 7, count: 32)),
                name: "forged",
                keyHint: [0, 0, 0, 0], signature: [1, 2, 3]))
        let fresh = try TemporaryDirectory()
        let store = FileCheckpoints(folder: fresh.path)
        #expect(try await store.record(forged) == nil)
        try await store.prove([forged])
        // at least four leaves, so that there is something to prove
        for tag in ["v2", "v3", "v4"] { _ = try await signed.another(tag) }
        for file in try FileManager.default.contentsOfDirectory(atPath: signed.state.path) {
            try FileManager.default.removeItem(atPath: "\(signed.state.path)/\(file)")
        }
        for file in try FileManager.default.contentsOfDirectory(atPath: fresh.path) {
            try FileManager.default.copyItem(
                atPath: "\(fresh.path)/\(file)", toPath: "\(signed.state.path)/\(file)")
        }
        let contradicted = try await signed.report()
        #expect(!contradicted.isVerified && contradicted.rejected.map(\.code) == ["log.inconsistent"])
        let files = try FileManager.default.contentsOfDirectory(atPath: signed.state.path)
        #expect(files.contains { $0.hasSuffix(".contradiction") })
        #expect(try await !signed.report().isVerified, "it is not forgotten")
    }
}
