import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct RestartTests {
    @Test func `a restart continues keys, tree and index, and knows what it has logged`() async throws {
        let first = try Submission()
        try await RunningLab.withFolder { folder in
            let (before, uuid) = try await RunningLab.run(in: folder) { lab, endpoints, client in
                let response = try await client.post("\(endpoints.rekor)/api/v1/log/entries", first.body)
                #expect(response.status == 201)
                return (try await Self.head(endpoints, client), response.headers["Etag"] ?? "")
            }
            try await RunningLab.run(in: folder) { lab, endpoints, client in
                #expect(lab.rekorSize == 1)
                #expect(try await Self.head(endpoints, client).rootHash == before.rootHash)
                #expect(try await Self.head(endpoints, client).treeID == before.treeID)
                let again = try await client.post("\(endpoints.rekor)/api/v1/log/entries", first.body)
                #expect(again.status == 409)
                #expect(again.headers["Location"] == "/api/v1/log/entries/\(uuid)")
                let found = try await client.post(
                    "\(endpoints.rekor)/api/v1/index/retrieve", Array("{\"hash\":\"sha256:\(first.digest)\"}".utf8))
                #expect(String(decoding: found.body, as: UTF8.self).contains(uuid))
                for _ in 0..<4 {
                    _ = try await client.post("\(endpoints.rekor)/api/v1/log/entries", try Submission().body)
                }
                let after = try await Self.head(endpoints, client)
                #expect(after.treeSize == 5)
                let proof = try await client.get("\(endpoints.rekor)/api/v1/log/proof?firstSize=1&lastSize=5")
                let hashes = try JSONDecoder().decode(Proof.self, from: Data(proof.body)).hashes
                #expect(
                    ProofCheck.isConsistent(
                        1, 5, try #require([UInt8](hex: before.rootHash)), try #require([UInt8](hex: after.rootHash)),
                        hashes.compactMap { [UInt8](hex: $0) }))
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a port that is taken ends the start with an error`() async throws {
        try await RunningLab.run { _, endpoints, _ in
            let port = try #require(endpoints.rekor.split(separator: ":").last.flatMap { Int($0) })
            try await RunningLab.withFolder { folder in
                let second = try await Lab(LabConfiguration(directory: folder, ports: .init(rekor: port)))
                await #expect(throws: (any Error).self) { try await second.run() }
                await #expect(throws: (any Error).self) { try await second.endpoints }
            }
        }
    }

    @Test func `a torn last line is cut off and a broken complete line stops the start`() async throws {
        try await RunningLab.withFolder { folder in
            try AtomicFile.makeFolder(folder)
            let path = "\(folder)/log"
            let log = try DurableLog(path: path, label: "test")
            for byte in UInt8(1)...3 {
                _ = try await log.append(.init(time: 1, leaf: [byte], extra: []))
            }
            let whole = try Data(contentsOf: URL(filePath: path))
            try (whole + Data("17 AAEC".utf8)).write(to: URL(filePath: path))
            let continued = try DurableLog(path: path, label: "test")
            #expect(continued.size == 3)
            let appended = try await continued.append(.init(time: 2, leaf: [9], extra: [7]))
            #expect(appended.index == 3)
            #expect(try DurableLog(path: path, label: "test").size == 4)
            #expect(try await continued.entry(at: 3)?.extra == [7])
            try (Data("what is this\n".utf8) + whole).write(to: URL(filePath: path))
            #expect(throws: LabError.self) { try DurableLog(path: path, label: "test") }
        }
    }

    @Test func `equal leaves that come at the same time are one entry`() async throws {
        try await RunningLab.withFolder { folder in
            try AtomicFile.makeFolder(folder)
            let log = try DurableLog(path: "\(folder)/log", label: "test")
            let results = try await withThrowingTaskGroup(of: DurableLog.Appended.self) { group in
                for _ in 0..<40 { group.addTask { try await log.append(.init(time: 1, leaf: [1, 2, 3], extra: [])) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(log.size == 1)
            #expect(results.count { !$0.isDuplicate } == 1)
            #expect(results.allSatisfy { $0.index == 0 })
        }
    }

    private struct Proof: Decodable { let hashes: [String] }
    struct Head: Decodable, Sendable {
        let rootHash: String
        let treeID: String
        let treeSize: Int
    }

    static func head(_ endpoints: LabEndpoints, _ client: HTTPClient) async throws -> Head {
        try JSONDecoder().decode(Head.self, from: Data(try await client.get("\(endpoints.rekor)/api/v1/log").body))
    }
}

/// A hashedrekord entry of its own, signed by a key of its own.
struct Submission {
    let digest: String
    let body: [UInt8]

    init() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let message = SecureRandom.bytes(16)
        digest = Hash.sha256(message).hex
        body = Array(
            """
            {"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"\(digest)"}},\
            "signature":{"content":"\(try key.sign(message).base64)","publicKey":{"content":"\(Array(key.publicKey.pem.utf8).base64)"}}}}
            """.utf8)
    }
}
