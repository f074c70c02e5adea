import Curl
import OpenSSL
import Support
import Synchronization
import Testing

@testable import Sigstore

/// What becomes of a request that the log has already: the entry comes from the tiles.
@Suite struct RekorV2RecoveryTests {
    let tiles: ScriptedTiles
    let request: [UInt8]
    let body: [UInt8]

    init() throws {
        tiles = try ScriptedTiles()
        request = try RecordedLogExchange.scenario("key-new-rekor2-tsa").request
        body = try HashedRekordV2Entry(request: request).canonicalizedBody
    }

    private func grow(_ count: Int) {
        for index in 0..<count { tiles.append(Array("{\"kind\":\"other\",\"apiVersion\":\"1\",\"n\":\(index)}".utf8)) }
    }

    private func log(
        duplicateOf index: Int, keepsPartial: Bool = true, timeout: Duration = .seconds(300),
        answer: @escaping @Sendable (String) -> ScriptedService.Answer? = { _ in nil },
        _ body: (RekorV2, ScriptedService) async throws -> Void
    ) async throws {
        let service = try ScriptedService { [tiles] request in
            if let scripted = answer(request.path) { return scripted }
            if request.method == "POST" {
                // the index stands in the message only, as behind a proxy that drops headers
                return .json(409, #"{"code":6,"message":"an equivalent entry already exists with index \#(index)"}"#)
            }
            return tiles.file(
                String(request.path.dropFirst("/api/v2/".count)), keepsPartial: keepsPartial)
        }
        defer { service.stop() }
        var route = HTTPRoute.toTestServer
        route.totalTimeout = timeout
        let verifier = CheckpointVerifier(logs: { [tiles] in [tiles.log] })
        try await body(
            RekorV2(url: service.url, verifier: verifier, http: HTTPClient(), route: route),
            service)
    }

    private func check(_ entry: TlogEntry, index: Int64, size: Int64) throws {
        let proof = try #require(entry.inclusionProof)
        #expect(entry.logIndex == index && proof.logIndex == index && proof.treeSize == size)
        #expect(entry.canonicalizedBody == body && entry.kind == "hashedrekord" && entry.version == "0.0.2")
        #expect(entry.logID == tiles.log.logID && entry.integratedTime == 0)
        let checkpoint = try Checkpoint(note: proof.checkpoint)
        try Merkle.verifyInclusion(
            leafHash: Merkle.leafHash(body), index: UInt64(index), size: UInt64(size), path: proof.hashes,
            root: checkpoint.rootHash)
    }

    @Test(arguments: [(0, 0), (1, 0), (0, 1), (255, 0), (256, 0), (300, 700), (10, 800)])
    func `a duplicate is read with its proof from the tiles`(before: Int, after: Int) async throws {
        grow(before)
        tiles.append(body)
        grow(after)
        tiles.publish()
        try await log(duplicateOf: before) { log, _ in
            try check(try await log.submit(request), index: Int64(before), size: Int64(before + after + 1))
        }
    }

    @Test func `partial tiles that are gone are taken from the full ones`() async throws {
        grow(200)
        tiles.append(body)
        tiles.publish()
        let note = try tiles.checkpoint()
        // the log goes on and deletes its partial tiles; the checkpoint we hold is the old one
        grow(400)
        try await log(
            duplicateOf: 200, keepsPartial: false, answer: { $0.hasSuffix("checkpoint") ? .json(200, note) : nil }
        ) { log, service in
            try check(try await log.submit(request), index: 200, size: 201)
            #expect(service.requests.contains { $0.path == "/api/v2/tile/entries/000" })
        }
    }

    @Test func `an entry that is not published yet is waited for, and not for ever`() async throws {
        tiles.append(body)
        let asked = Mutex(0)
        try await log(
            duplicateOf: 0,
            answer: { [tiles] path in
                guard path.hasSuffix("checkpoint") else { return nil }
                if asked.withLock({
                    $0 += 1; return $0
                }) == 3 {
                    tiles.publish()
                }
                return nil
            }
        ) { log, _ in
            try check(try await log.submit(request), index: 0, size: 1)
        }
        try await log(duplicateOf: 1, timeout: .seconds(2)) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
            #expect(error?.code == "rekor.unavailable" && error?.answerMayBeLost == true)
        }
    }

    @Test func `what the tiles hold at the index must be the request's, and under the root`() async throws {
        grow(3)
        tiles.append(body)
        tiles.publish()
        try await log(duplicateOf: 1) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
            #expect(error?.code == "rekor.bad_answer")
        }
        let lies: [(String, ScriptedService.Answer)] = [
            ("tile/0/000.p/4", .bytes(200, [UInt8](repeating: 1, count: 128))),
            ("tile/0/000.p/4", .bytes(200, [UInt8](repeating: 1, count: 96))),
            ("tile/entries/000.p/4", .bytes(200, Array(repeating: [0, 2, 0x7B, 0x7D], count: 4).flatMap { $0 })),
            ("tile/entries/000.p/4", .bytes(200, [0, 2, 0x7B])), ("checkpoint", .json(200, "no note\n")),
            ("checkpoint", .json(200, try tiles.checkpoint().replacing("\n4\n", with: "\n5\n"))),
        ]
        for (path, answer) in lies {
            try await log(duplicateOf: 3, answer: { $0.hasSuffix(path) ? answer : nil }) { log, _ in
                let error = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
                #expect(error?.code == "rekor.bad_answer" || error?.code == "sigstore.malformed", "\(path)")
            }
        }
    }

    /// What cannot be read in an answer is the log's fault, and waited out: a job must not end for it.
    @Test(arguments: [
        "{}", #"{"kind":"hashedrekord"}"#, #"{"apiVersion":"0.0.2"}"#, #"{"kind":1,"apiVersion":2}"#, "no",
    ])
    func `a leaf that does not say what it is, is a bad answer`(leaf: String) async throws {
        tiles.append(Array(leaf.utf8))
        tiles.publish()
        try await log(duplicateOf: 0) { log, _ in
            let submitted = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
            #expect(submitted?.code == "rekor.bad_answer")
            let followed = await #expect(throws: SigstoreError.self) { try await log.entries(from: 0, limit: 1) }
            #expect(followed?.code == "rekor.bad_answer")
        }
    }

    @Test func `many duplicates share one checkpoint and its tiles`() async throws {
        grow(40)
        tiles.append(body)
        tiles.publish()
        try await log(duplicateOf: 40) { log, service in
            for _ in 0..<5 { _ = try await log.submit(request) }
            #expect(service.requests.filter { $0.path.hasSuffix("checkpoint") }.count == 1)
            #expect(service.requests.filter { $0.path.contains("/tile/0/") }.count == 1)
        }
    }

    @Test func `an entry by index, and a consistency proof, are read from tiles`() async throws {
        grow(300)
        tiles.publish()
        let first = try Checkpoint(note: tiles.checkpoint())
        grow(400)
        tiles.publish()
        try await log(duplicateOf: 0) { log, _ in
            let second = try #require(try await log.checkpoints().first)
            #expect(second.size == 700)
            let proof = try await log.consistencyProof(from: first, to: second)
            try Merkle.verifyConsistency(
                first: first.size, firstRoot: first.rootHash, second: second.size, secondRoot: second.rootHash,
                proof: proof)
            let value1 = try await log.entry(index: 299)?.logIndex
            #expect(value1 == 299)
            let value2 = try await log.entry(index: 700)
            #expect(value2 == nil)
            let value3 = try await log.entry(index: -1)
            #expect(value3 == nil)
        }
    }
}
