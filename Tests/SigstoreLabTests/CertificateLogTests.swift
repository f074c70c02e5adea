import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct CertificateLogTests {
    @Test func `a recorded precertificate gives the recorded Merkle leaf and extra data`() throws {
        struct Entries: Decodable {
            struct Entry: Decodable {
                let leafInput: String
                let extraData: String
                enum CodingKeys: String, CodingKey { case leafInput = "leaf_input", extraData = "extra_data" }
            }
            let entries: [Entry]
        }
        let exchanges = try RecordedExchange.fixture("ct")
        let answer = try #require(exchanges.first { $0.path.contains("get-entries") }?.responseBody?.bytes)
        let entry = try #require(try JSONDecoder().decode(Entries.self, from: Data(answer)).entries.first)
        let leaf = try #require([UInt8](base64: entry.leafInput))
        let extra = try #require([UInt8](base64: entry.extraData))
        // PrecertChainEntry: the precertificate, then the length of the chain and its certificates
        let precertificate = Array(extra.dropFirst(3).prefix(Self.length(extra)))
        var rest = extra.dropFirst(3 + precertificate.count + 3)
        var chain = [precertificate]
        while !rest.isEmpty {
            let count = Self.length(Array(rest))
            chain.append(Array(rest.dropFirst(3).prefix(count)))
            rest = rest.dropFirst(3 + count)
        }
        let milliseconds = leaf[2..<10].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect(try CertificateLog.leaf(of: chain, isPrecertificate: true, milliseconds: milliseconds) == leaf)
        #expect(CertificateLog.extraData(of: chain, isPrecertificate: true) == extra)
        #expect(throws: LabError.self) { try Precertificate(der: chain[1]) }
        #expect(throws: LabError.self) { try Precertificate(der: Array(precertificate.prefix(100))) }
    }

    private static func length(_ bytes: [UInt8]) -> Int { bytes.prefix(3).reduce(0) { $0 << 8 | Int($1) } }

    @Test func `issued certificates are in the log, provably and in order`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            for _ in 0..<3 {
                _ = try await FulcioReplayTests.certificates(
                    for: PrivateKey.generate(.ecdsaP256), lab, endpoints, client)
            }
            let call = "\(endpoints.ctLog)/ct/v1"
            struct Head: Decodable {
                let treeSize: Int
                let sha256RootHash: String
            }
            let answer = try await client.get("\(call)/get-sth")
            let head = try JSONDecoder.snakeCase.decode(Head.self, from: Data(answer.body))
            #expect(head.treeSize == 3)
            struct Entries: Decodable { let entries: [[String: String]] }
            let entries = try JSONDecoder().decode(
                Entries.self, from: Data(try await client.get("\(call)/get-entries?start=0&end=9").body)
            ).entries
            #expect(entries.count == 3)
            let leaf = try #require(entries[1]["leaf_input"].flatMap { [UInt8](base64: $0) })
            let hash = MerkleTree.leafHash(leaf)
            let escaped = hash.base64.utf8.map { $0 == UInt8(ascii: "+") ? "%2B" : String(UnicodeScalar($0)) }.joined()
            struct Proof: Decodable {
                let leafIndex: Int
                let auditPath: [String]
            }
            let proof = try JSONDecoder.snakeCase.decode(
                Proof.self,
                from: Data(try await client.get("\(call)/get-proof-by-hash?hash=\(escaped)&tree_size=3").body))
            #expect(proof.leafIndex == 1)
            let path = proof.auditPath.compactMap { [UInt8](base64: $0) }
            #expect(ProofCheck.root(of: hash, 1, 3, path)?.base64 == head.sha256RootHash)
            #expect(try await client.get("\(call)/get-sth-consistency?first=1&second=9").status == 400)
        }
    }
}
