import Curl
import FoundationEssentials
import OpenSSL
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Looking into logs, against both of the lab's.
@Suite struct LogSiteTests {
    private static let route = HTTPRoute.toTestServer

    /// A lab's two logs as somebody sees them who trusts it, and clients that write in them.
    private struct Logs {
        let http = HTTPClient()
        let root: TrustedRoot
        let v1: any TransparencyLog
        let v2: any TransparencyLog
        let url1: String
        let url2: String
        let key: PrivateKey

        init(_ lab: Lab) async throws {
            let endpoints = try await lab.endpoints
            root = try TrustedRoot(json: try await lab.trustedRootJSON)
            (url1, url2) = (endpoints.rekor, endpoints.rekor2)
            v1 = RekorV1(url: url1, http: http, route: LogSiteTests.route)
            let logs = root.tlogs
            v2 = RekorV2(
                url: url2, verifier: CheckpointVerifier(logs: { logs }), http: http, route: LogSiteTests.route)
            key = try PrivateKey.generate(.ecdsaP256)
        }

        func upstream(_ url: String) -> UpstreamConfiguration {
            var upstream = UpstreamConfiguration(url: url)
            (upstream.privateNetwork, upstream.plainHTTP, upstream.proxy) = (true, true, .none)
            return upstream
        }

        /// - Parameter version: asked of the server.
        func site(_ url: String, trusted: Bool = true) async throws -> LogSite {
            let upstream = upstream(url)
            let api = try await LogSite.api(of: upstream, http: http)
            return LogSite(
                .init(name: url, api: api, upstream: upstream), trusting: trusted ? Verifier(root: root) : nil,
                http: http)
        }

        func enter(_ text: String, in log: any TransparencyLog) async throws -> TlogEntry {
            let message = Array(text.utf8)
            return try await log.submit(
                try log.request(
                    for: LogSubmission(
                        .message(digest: Hash.sha256(message), signature: try key.sign(message)),
                        by: .publicKey(key.publicKey))))
        }
    }

    private static func withLogs(_ body: @escaping @Sendable (Logs) async throws -> Void) async throws {
        let folder = try TemporaryDirectory()
        try await Lab.withRunning(LabConfiguration(directory: folder.path + "/lab")) { lab in
            let logs = try await Logs(lab)
            defer { logs.http.shutdown() }
            try await body(logs)
        }
    }

    @Test func `either log is known by its answers, shows an entry with its signer, and proves it`() async throws {
        try await Self.withLogs { logs in
            for (url, log, version) in [(logs.url1, logs.v1, 1), (logs.url2, logs.v2, 2)] {
                let site = try await logs.site(url)
                #expect(site.api.version == version)
                let entered = try await logs.enter("shown", in: log)
                let found = try await site.entry(index: entered.logIndex)
                #expect(found.canonicalizedBody == entered.canonicalizedBody)

                let shown = LogEntryDescription(found, log: url)
                #expect(shown.kind == "hashedrekord" && shown.bodyProblem == nil)
                #expect(shown.contents.map(\.digest) == ["sha256:\(Hex.encode(Hash.sha256(Array("shown".utf8))))"])
                #expect(shown.signers.map(\.keySHA256) == [Hex.encode(Hash.sha256(logs.key.publicKey.spki))])
                #expect((shown.integratedTime != nil) == (version == 1))

                let checks = try Verifier(root: logs.root).verify(found).map(\.check)
                #expect(checks == (version == 1 ? [.signedEntryTimestamp, .inclusionProof] : [.inclusionProof]))
                var moved = found
                moved.logIndex += 1
                let refused = #expect(throws: VerificationError.self) { try Verifier(root: logs.root).verify(moved) }
                #expect(refused?.check == (version == 1 ? .signedEntryTimestamp : .inclusionProof))
            }
        }
    }

    @Test func `what a signature brought is held against the log as it is now`() async throws {
        try await Self.withLogs { logs in
            for (url, log) in [(logs.url1, logs.v1), (logs.url2, logs.v2)] {
                let known = try await logs.enter("early", in: log)
                for number in 0..<3 { _ = try await logs.enter("later \(number)", in: log) }
                let site = try await logs.site(url)
                let present = try await site.entry(index: known.logIndex)
                let folder = try TemporaryDirectory()
                defer { withExtendedLifetime(folder) {} }
                let store = FileCheckpoints(folder: folder.path)
                let first = try await site.verify(present, known: known, remembering: store)
                #expect(first.last?.check == "history" && first.last?.against == nil)
                let checks = try await site.verify(present, known: known, remembering: store)
                #expect(checks.last?.check == "history" && checks.last?.against != nil)
                #expect(checks.filter { $0.check == "consistency" }.count == 2, "\(url)")
                #expect(checks.contains { $0.check == "entry" } && checks.contains { $0.check == "inclusion_proof" })

                var other = known
                other.canonicalizedBody = try await logs.enter("another", in: log).canonicalizedBody
                let different = await #expect(throws: TransparencyError.self) {
                    try await site.verify(present, known: other)
                }
                #expect(different?.code == "rekor.entry_differs")

                var moved = present
                moved.inclusionProof?.hashes.append(Hash.sha256([]))
                let refused = await #expect(throws: VerificationError.self) { try await site.verify(moved) }
                #expect(refused?.check == .inclusionProof)
            }
        }
    }

    @Test func `an entry that is not there is told with what is`() async throws {
        try await Self.withLogs { logs in
            for (url, log) in [(logs.url1, logs.v1), (logs.url2, logs.v2)] {
                _ = try await logs.enter("only", in: log)
                let site = try await logs.site(url)
                let error = await #expect(throws: TransparencyError.self) { try await site.entry(index: 1_000_000) }
                guard case .entryNotFound(let asked, let what, let trees) = error else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
                #expect(asked == url && what == "index 1000000" && trees.count == 1)
                #expect(trees.first.map { $0.size >= 1 } == true)
                #expect(error?.observed.contains("Rekor entry not found") == true && error?.fix.isEmpty == false)
            }
        }
    }

    @Test func `only the older log can be searched, and only what is trusted is verified`() async throws {
        try await Self.withLogs { logs in
            let entered = try await logs.enter("searched", in: logs.v1)
            let site = try await logs.site(logs.url1)
            let digest = "sha256:\(Hex.encode(Hash.sha256(Array("searched".utf8))))"
            let uuids = try await site.search(.hash(digest))
            #expect(uuids.count == 1)
            #expect(try await site.entry(uuid: uuids[0]).logIndex == entered.logIndex)
            #expect(try await site.search(.email("nobody@example.com")).isEmpty)

            let tiles = try await logs.site(logs.url2)
            var error = await #expect(throws: TransparencyError.self) { try await tiles.search(.hash(digest)) }
            #expect(error?.code == "log.not_searchable")
            error = await #expect(throws: TransparencyError.self) { try await tiles.entry(uuid: uuids[0]) }
            #expect(error?.code == "log.not_searchable")
            let stranger = try await logs.site(logs.url2, trusted: false)
            error = await #expect(throws: TransparencyError.self) { try await stranger.entry(index: 0) }
            #expect(error?.code == "log.needs_trust")
        }
    }

    @Test func `either log can be read for what is wanted, and what was read is counted`() async throws {
        try await Self.withLogs { logs in
            for (url, log) in [(logs.url1, logs.v1), (logs.url2, logs.v2)] {
                var entries: [TlogEntry] = []
                for number in 0..<4 { entries.append(try await logs.enter("read \(number % 3)", in: log)) }
                let first = try #require(entries.map(\.logIndex).min())
                let last = try #require(entries.map(\.logIndex).max())
                let site = try await logs.site(url)
                var wanted = EntryScan.Wanted()
                wanted.digests = ["sha256:\(Hex.encode(Hash.sha256(Array("read 0".utf8))))"]
                var told: [EntryScan.Progress] = []
                let all = EntryScan.Stretch.indexes(from: first, to: last + 1)
                let (found, read) = try await site.scan(all, for: wanted, limit: 10) { told.append($0) }
                #expect(read.read == last + 1 - first && read.untold == 0 && told.last == read)
                // ECDSA signs otherwise each time: two entries of one digest
                #expect(
                    found.count == 2 && found.entries.map(\.logIndex) == found.entries.map(\.logIndex).sorted(by: >))
                #expect(found.entries.allSatisfy { $0.inclusionProof != nil })
                let one = try await site.scan(all, for: wanted, limit: 1).found
                #expect(one.count == 2 && one.entries.map(\.logIndex) == [found.entries[0].logIndex])

                wanted.digests = []
                wanted.signatures = [try LoggedSignature(entries[1]).signatures[0]]
                let newest = try await site.scan(.newest(10_000), for: wanted, limit: 10).found
                #expect(newest.entries.map(\.logIndex) == [entries[1].logIndex])
                wanted = EntryScan.Wanted()
                wanted.identity = "nobody"
                #expect(try await site.scan(all, for: wanted, limit: 10).found.count == 0)
                let beyond = try await site.scan(.indexes(from: 1_000_000, to: 1_000_001), for: wanted, limit: 10)
                #expect(beyond.read.read == 0)
            }
            let stranger = try await logs.site(logs.url2, trusted: false)
            let error = await #expect(throws: TransparencyError.self) {
                try await stranger.scan(.newest(1), for: .init(), limit: 1)
            }
            #expect(error?.code == "log.needs_trust")
        }
    }

    @Test func `all that the index names is counted, and one entry that the log does not serve loses no other`()
        async throws
    {
        try await Self.withLogs { logs in
            for number in 0..<4 { _ = try await logs.enter("found \(number)", in: logs.v1) }
            let relay = try FaultRelay(to: try #require(URL(string: logs.url1)?.port))
            let site = try await logs.site(relay.url)
            let terms = (0..<4).map { LogSearch.hash("sha256:\(Hex.encode(Hash.sha256(Array("found \($0)".utf8))))") }
            // a term that is given twice finds its entry once
            let all = try await site.find(terms + [terms[0]], limit: 10)
            #expect(all.count == 4 && all.isComplete && all.unread.isEmpty)
            #expect(all.entries.map(\.logIndex) == all.entries.map(\.logIndex).sorted(by: >))
            let some = try await site.find(terms, limit: 3)
            #expect(some.count == 4 && some.entries.count == 3 && !some.isComplete)

            relay.next(.answered(404, body: "{}")) { $0.path.hasPrefix("/api/v1/log/entries/") }
            let stale = try await site.find(terms, limit: 10)
            #expect(stale.count == 4 && stale.entries.count == 3 && stale.isComplete)
            #expect(stale.unread.map(\.code) == ["rekor.entry_not_found"])

            relay.next(.answered(429), times: 99) { $0.path.hasPrefix("/api/v1/log/entries/") }
            let before = relay.requests.count
            let busy = try await site.find(terms, limit: 10)
            #expect(busy.count == 4 && busy.unread.map(\.code) == Array(repeating: "rekor.throttled", count: 4))
            #expect(relay.requests.count - before == 5, "four searches, and an entry: it is not asked for the others")

            relay.heal()
            relay.next(.lost, times: 99)
            await #expect(throws: SigstoreError.self) { try await site.find(terms, limit: 10) }
        }
    }

    @Test func `the state of a log names who signed it, and says so when nobody trusted did`() async throws {
        try await Self.withLogs { logs in
            for (url, log) in [(logs.url1, logs.v1), (logs.url2, logs.v2)] {
                _ = try await logs.enter("one", in: log)
                let state = try await logs.site(url).state()
                #expect(state.size >= 1 && state.isVerified && state.trees.first?.isActive == true)
                #expect(state.trees.allSatisfy { $0.signedBy != nil && $0.problem == nil })
                let unjudged = try await logs.site(url, trusted: false).state()
                #expect(!unjudged.isJudged && !unjudged.isVerified && unjudged.trees.first?.signedBy == nil)
            }
            let stranger = try await SigningLine.withAnotherLab { lab in
                try TrustedRoot(json: try await lab.trustedRootJSON)
            }
            let site = LogSite(
                .init(name: "rekor", api: .v1, upstream: logs.upstream(logs.url1)),
                trusting: Verifier(root: stranger),
                http: logs.http)
            let state = try await site.state()
            #expect(state.isJudged && !state.isVerified && state.trees.first?.problem != nil)
        }
    }
}
