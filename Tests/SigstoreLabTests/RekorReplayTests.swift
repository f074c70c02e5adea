import Curl
import FoundationEssentials
import Testing

@testable import SigstoreLab

/// Rekor's recorded requests carry all that they are checked by, so they are sent as they were.
@Suite struct RekorReplayTests {
    /// Prefix of every recorded UUID, and the index of the first recorded entry that the replay logs as number 1.
    private static let recordedTree = "65dcb99348d42826"
    private static let firstRecordedIndex = 47

    @Test func `the log answers every recorded request with the recorded status and shape`() async throws {
        let exchanges = try RecordedExchange.fixture("rekor")
        try await RunningLab.run { _, endpoints, client in
            let tree = try await Self.treePrefix(endpoints, client)
            for exchange in exchanges {
                let response = try await Self.replay(exchange, tree, endpoints, client)
                let what: Comment =
                    "\(exchange.method) \(exchange.path) \(exchange.requestBody?.text?.prefix(60) ?? "")"
                #expect(response.status == exchange.status, what)
                try Self.compare(exchange, response, tree, what)
            }
        }
    }

    @Test(.enabled(if: RecordedExchange.archive != nil, "the recorded material is not here (../shared)"))
    func `every recorded entry of the archive has the recorded canonical body and leaf hash`() async throws {
        let archive = try #require(RecordedExchange.archive)
        var seen = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: archive) where name.hasSuffix(".jsonl") {
            for exchange in try RecordedExchange.load("\(archive)/\(name)")
            where exchange.service == "rekor" && exchange.path == "/api/v1/log/entries" && exchange.status == 201 {
                let entry = try ProposedEntry(json: exchange.requestBody?.bytes ?? [])
                let recorded = try Self.entry(exchange.responseBody?.bytes ?? [])
                #expect([UInt8](base64: recorded.value.body) == entry.canonicalBody)
                #expect(recorded.key.hasSuffix(MerkleTree.leafHash(entry.canonicalBody).hex))
                seen += 1
            }
        }
        #expect(seen > 20)
    }

    private static func replay(
        _ exchange: RecordedExchange, _ tree: String, _ endpoints: LabEndpoints, _ client: HTTPClient
    ) async throws -> HTTPResponse {
        let path = exchange.path.split(separator: recordedTree, omittingEmptySubsequences: false).joined(
            separator: tree)
        let url = endpoints.rekor + Self.shifted(path, "logIndex=")
        guard exchange.method == "POST" else { return try await client.get(url) }
        let text = exchange.requestBody?.text ?? ""
        let body = text == "{\"logIndexes\": [0, 47]}" ? "{\"logIndexes\": [0, 1]}" : text
        let type = exchange.requestHeader("Content-Type") ?? "application/json"
        return try await client.post(url, Array(body.utf8), type: type)
    }

    /// Indexes of recorded entries, moved to where the replay logged them.
    private static func shifted(_ path: String, _ name: String) -> String {
        path == "/api/v1/log/entries?\(name)\(firstRecordedIndex)" ? "/api/v1/log/entries?\(name)1" : path
    }

    private static func compare(
        _ exchange: RecordedExchange, _ response: HTTPResponse, _ tree: String, _ what: Comment
    ) throws {
        let recorded = exchange.responseBody?.bytes ?? []
        if let location = exchange.responseHeader("Location") {
            let expected = location.split(separator: recordedTree, omittingEmptySubsequences: false).joined(
                separator: tree)
            #expect(response.headers["Location"] == expected, what)
        }
        #expect(response.headers["Content-Type"] == exchange.responseHeader("Content-Type"), what)
        guard let shape = JSONShape(recorded) else {
            #expect(recorded.isEmpty == response.body.isEmpty, what)
            return
        }
        let answered = try #require(JSONShape(response.body), what)
        #expect(shape.difference(from: answered) == nil, what)
        guard exchange.status == 201 else { return }
        let (mine, theirs) = (try entry(response.body), try entry(recorded))
        #expect(mine.value.body == theirs.value.body, what)
        #expect(mine.key.suffix(64) == theirs.key.suffix(64), what)
    }

    private struct Entry: Decodable { let body: String }

    private static func entry(_ json: [UInt8]) throws -> (key: String, value: Entry) {
        try #require(try JSONDecoder().decode([String: Entry].self, from: Data(json)).first)
    }

    private static func treePrefix(_ endpoints: LabEndpoints, _ client: HTTPClient) async throws -> String {
        struct Info: Decodable { let treeID: String }
        let response = try await client.get("\(endpoints.rekor)/api/v1/log")
        let info = try JSONDecoder().decode(Info.self, from: Data(response.body))
        let digits = String(try #require(UInt64(info.treeID)), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
