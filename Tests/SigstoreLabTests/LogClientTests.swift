import Curl
import FoundationEssentials
import OpenSSL
import Sigstore
import SigstoreLab
import Testing

/// The library's clients against the lab's logs.
@Suite struct LogClientTests {
    private static func submission(_ number: Int, _ key: PrivateKey) throws -> LogSubmission {
        let message = Array("artifact \(number)".utf8)
        return LogSubmission(
            .message(digest: Hash.sha256(message), signature: try key.sign(message)), by: .publicKey(key.publicKey))
    }

    private static func withLab(
        witnesses: Int = 0, _ body: @escaping @Sendable (Lab, LabEndpoints, HTTPClient) async throws -> Void
    ) async throws {
        try await RunningLab.withFolder { folder in
            var configuration = LabConfiguration(directory: folder)
            configuration.witnesses = witnesses
            try await Lab.withRunning(configuration) { lab in
                let client = HTTPClient()
                defer { client.shutdown() }
                try await body(lab, try await lab.endpoints, client)
            }
        }
    }

    private static func verifier(_ lab: Lab, quorum: Int = 0) async throws -> CheckpointVerifier {
        let logs = try TrustedRoot(json: try await lab.trustedRootJSON).tlogs
        return CheckpointVerifier(
            logs: { logs }, witnesses: try lab.witnessKeys.map { try Witness(verifierKey: $0) }, quorum: quorum)
    }

    @Test func `many entries at once share checkpoints, and every duplicate is read from the tiles`() async throws {
        try await Self.withLab { lab, endpoints, http in
            let log = RekorV2(
                url: endpoints.rekor2, verifier: try await Self.verifier(lab), http: http, route: RunningLab.route)
            let key = try PrivateKey.generate(.ecdsaP256)
            let requests = try (0..<60).map { try log.request(for: Self.submission($0, key)) }
            @Sendable func submitAll() async throws -> [Int: TlogEntry] {
                try await withThrowingTaskGroup(of: (Int, TlogEntry).self) { group in
                    for (number, request) in requests.enumerated() {
                        group.addTask { (number, try await log.submit(request)) }
                    }
                    return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
            }
            let first = try await submitAll()
            #expect(Set(first.values.map(\.logIndex)).count == 60)
            #expect(Set(first.values.compactMap(\.inclusionProof?.treeSize)).count < 20)
            let again = try await submitAll()
            for (number, entry) in again {
                #expect(entry.logIndex == first[number]?.logIndex)
                #expect(entry.canonicalizedBody == first[number]?.canonicalizedBody)
            }
            #expect(lab.rekor2Size == 60)
        }
    }

    @Test func `a frozen log says so, and its entries are still read and proven`() async throws {
        try await Self.withLab { lab, endpoints, http in
            let log = RekorV2(
                url: endpoints.rekor2, verifier: try await Self.verifier(lab), http: http, route: RunningLab.route)
            let key = try PrivateKey.generate(.ecdsaP256)
            let entry = try await log.submit(log.request(for: Self.submission(0, key)))
            let before = try #require(try await log.checkpoints().first)
            try await lab.freezeRekor2()
            let request = try log.request(for: Self.submission(1, key))
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
            #expect(error?.code == "rekor.frozen")
            let read = try await log.entry(index: entry.logIndex)
            #expect(read?.canonicalizedBody == entry.canonicalizedBody)
            let after = try #require(try await log.checkpoints().first)
            let disproof = try await log.disproof(of: before, before: after)
            #expect(disproof == nil)
        }
    }

    @Test func `witnesses' cosignatures are counted towards the quorum`() async throws {
        try await Self.withLab(witnesses: 2) { lab, endpoints, http in
            let key = try PrivateKey.generate(.ecdsaP256)
            let log = RekorV2(
                url: endpoints.rekor2, verifier: try await Self.verifier(lab, quorum: 2), http: http,
                route: RunningLab.route)
            let entry = try await log.submit(log.request(for: Self.submission(0, key)))
            let checkpoint = try Checkpoint(note: try #require(entry.inclusionProof?.checkpoint))
            let verified = try await Self.verifier(lab, quorum: 2).verify(checkpoint)
            #expect(verified.cosignatures.count == 2)
            let greedy = RekorV2(
                url: endpoints.rekor2, verifier: try await Self.verifier(lab, quorum: 3), http: http,
                route: RunningLab.route)
            let request = try greedy.request(for: Self.submission(1, key))
            let error = await #expect(throws: SigstoreError.self) { try await greedy.submit(request) }
            #expect(error?.code == "rekor.unwitnessed")
        }
    }

    @Test func `Rekor v1 is read over its shards: entries, checkpoints, proofs, search`() async throws {
        try await Self.withLab { lab, endpoints, http in
            let log = RekorV1(url: endpoints.rekor, http: http, route: RunningLab.route)
            let key = try PrivateKey.generate(.ecdsaP256)
            for number in 0..<3 { _ = try await log.submit(log.request(for: Self.submission(number, key))) }
            let early = try #require(try await log.checkpoints().first)
            for number in 3..<5 { _ = try await log.submit(log.request(for: Self.submission(number, key))) }
            let late = try #require(try await log.checkpoints().first)
            let grown = try await log.disproof(of: early, before: late)
            #expect(grown == nil)

            try await lab.rotate(.rekor)
            let last = try await log.submit(log.request(for: Self.submission(5, key)))
            #expect(last.logIndex == 5 && last.inclusionProof?.logIndex == 0)
            let shards = try await log.checkpoints()
            #expect(shards.map(\.size) == [1, 5])
            let verifier = try await Self.verifier(lab)
            for shard in shards { #expect(throws: Never.self) { try verifier.verify(shard) } }
            // the closed tree is still proven, by its own id
            let closed = try await log.disproof(of: early, before: shards[1])
            #expect(closed == nil)
            let info = try await log.logInfo()
            #expect(info.totalSize == 6 && info.inactive.count == 1)
            let old = try await log.entry(index: 2)
            #expect(old?.logIndex == 2)
            let found = try await log.search(.hash("sha256:\(Hex.encode(Hash.sha256(Array("artifact 4".utf8))))"))
            #expect(found.count == 1)
        }
    }
}
