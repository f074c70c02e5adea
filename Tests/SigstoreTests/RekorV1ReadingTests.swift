import Curl
import OpenSSL
import Support
import Synchronization
import Testing

@testable import Sigstore

@Suite struct RekorV1ReadingTests {
    static let tree = """
        "rootHash":"9cdb1e500ca2f9a57aab5bbc09f562aafa414e2d09dd9da04ca9a3dfbdc37b9d","signedTreeHead":"rekor.realstack.test - 7339945534940260390\\n52\\nnNseUAyi+aV6q1u8CfViqvpBTi0J3Z2gTKmj373De50=\\n\\n\u{2014} rekor.realstack.test aSCk5TBFAiEAqvKmUNy1WL+z3bouw7kcfCkEhsEAnMB0knq3F4obH7oCIEfIxeMFVH+0s0joq9/n6w1gOXhC85adDy3n2DTtDSag\\n","treeID":"7339945534940260390","treeSize":52
        """
    static let info = "{\"inactiveShards\":null,\(tree)}"

    private func log(
        _ answer: ScriptedService.Answer, _ body: (RekorV1, ScriptedService) async throws -> Void
    ) async throws {
        let service = try ScriptedService { _ in answer }
        defer { service.stop() }
        let route = HTTPRoute.toTestServer
        try await body(RekorV1(url: service.url, http: HTTPClient(), route: route), service)
    }

    @Test func `the recorded state of the log carries a checkpoint that its key signed`() async throws {
        let root = try Fixture.root()
        try await log(.json(200, Self.info)) { log, _ in
            let checkpoint = try #require(try await log.checkpoints().first)
            let verified = try CheckpointVerifier(logs: { root.tlogs }).verify(checkpoint)
            #expect(verified.checkpoint.size == 52 && verified.log.logID == root.tlogs[0].logID)
            let value1 = try await log.logInfo().totalSize
            #expect(value1 == 52)
        }
        try await log(.json(200, "{\"inactiveShards\":[{\(Self.tree)}],\(Self.tree)}")) { log, _ in
            let info = try await log.logInfo()
            #expect(info.inactive.count == 1 && info.totalSize == 104 && info.treeSize == 52)
            let value2 = try await log.checkpoints().count
            #expect(value2 == 2)
        }
    }

    @Test(arguments: [
        ("\"treeSize\":52", "\"treeSize\":53"), ("\"treeSize\":52", "\"treeSize\":-1"), ("9cdb", "8cdb"),
        ("\\n52\\n", "\\n51\\n"), ("null", "7"), ("null", "[{}]"), ("signedTreeHead", "head"),
        ("\"treeSize\":52", "\"treeSize\":9223372036854775808"),
    ])
    func `a state that contradicts itself is not taken`(good: String, bad: String) async throws {
        try #require(Self.info.contains(good))
        try await log(.json(200, Self.info.replacing(good, with: bad))) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.checkpoints() }
            #expect(error?.code == "rekor.bad_answer")
        }
    }

    @Test func `a consistency proof is asked of the tree of the checkpoints`() async throws {
        let note = { (size: Int) in
            Checkpoint.note(
                text: Checkpoint.text(
                    origin: "rekor.example - 42", size: UInt64(size), rootHash: [UInt8](repeating: 1, count: 32)),
                name: "rekor.example", keyHint: [1, 2, 3, 4], signature: [5])
        }
        let (one, three) = (try Checkpoint(note: note(1)), try Checkpoint(note: note(3)))
        try await log(.json(200, #"{"hashes":["3f6a","54"],"rootHash":"00"}"#)) { log, service in
            let value3 = try await log.consistencyProof(from: one, to: three)
            #expect(value3 == [[0x3F, 0x6A], [0x54]])
            #expect(service.requests.map(\.path) == ["/api/v1/log/proof?firstSize=1&lastSize=3&treeID=42"])
            let value4 = try await log.consistencyProof(from: three, to: three)
            #expect(value4.isEmpty)
        }
        for bad in ["{\"hashes\":[\"xx\"]}", "[]", "{\"hashes\":{}}"] {
            try await log(.json(200, bad)) { log, _ in
                await #expect(throws: SigstoreError.self) { try await log.consistencyProof(from: one, to: three) }
            }
        }
    }

    @Test func `a search asks as the recorded ones did, and takes only uuids`() async throws {
        let uuid = RekorV1Tests.uuid
        try await log(.json(200, "[\"\(uuid)\"]")) { log, service in
            let value5 = try await log.search(.hash("sha256:00"))
            #expect(value5 == [uuid])
            let value6 = try await log.search(.email("signer@example.com"))
            #expect(value6 == [uuid])
            let value7 = try await log.search(.publicKey(pem: "x"))
            #expect(value7 == [uuid])
            let bodies = service.requests.map { String(decoding: $0.body, as: UTF8.self) }
            #expect(
                bodies == [
                    #"{"hash":"sha256:00"}"#, #"{"email":"signer@example.com"}"#,
                    #"{"publicKey":{"format":"x509","content":"eA=="}}"#,
                ])
            #expect(service.requests.allSatisfy { $0.path == "/api/v1/index/retrieve" })
        }
        try await log(.json(200, "[]")) { log, _ in
            let value8 = try await log.search(.hash("sha256:00"))
            #expect(value8.isEmpty)
        }
        for bad in ["{}", "[1]", "[\"../x\"]", "[\"ab\"]", "null"] {
            try await log(.json(200, bad)) { log, _ in
                let error = await #expect(throws: SigstoreError.self) { try await log.search(.email("x")) }
                #expect(error?.code == "rekor.bad_answer", "\(bad)")
            }
        }
        try await log(.json(422, #"{"code":422,"message":"no"}"#)) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.search(.email("https://x")) }
            #expect(error?.code == "rekor.refused")
        }
    }

    @Test func `ten entries are taken only as those that were asked for`() async throws {
        let entry = try Fixture.text("rekor1-tsa/log_answer.json")
        let index = try RekorAnswer.entry(in: Array(entry.utf8)).logIndex
        let asked = Mutex<[String]>([])
        let service = try ScriptedService { request in
            guard request.method == "POST" else { return .json(200, entry) }
            asked.withLock { $0.append(String(decoding: request.body, as: UTF8.self)) }
            // one twice, in place of both
            return .json(200, "[\(entry),\(entry)]")
        }
        defer { service.stop() }
        let log = RekorV1(url: service.url, http: HTTPClient(), route: .toTestServer)
        #expect(try await log.entries(from: index, limit: 2).map(\.logIndex) == [index])
        #expect(asked.withLock { $0 } == [#"{"logIndexes":[\#(index),\#(index + 1)]}"#])
        #expect(try await log.entries(from: index, limit: 1).count == 1)
        #expect(asked.withLock(\.count) == 1)
    }
}
