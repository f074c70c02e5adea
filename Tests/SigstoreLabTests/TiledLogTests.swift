import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct TiledLogTests {
    @Test func `Rekor v2 answers every recorded request with the recorded status, headers and shape`() async throws {
        try await RunningLab.run { _, endpoints, client in
            for exchange in try RecordedExchange.fixture("rekor2") {
                let what: Comment = "\(exchange.method) \(exchange.requestBody?.text?.suffix(60) ?? "")"
                let url = endpoints.rekor2 + exchange.path
                let response =
                    exchange.method == "POST"
                    ? try await client.post(url, exchange.requestBody?.bytes ?? []) : try await client.get(url)
                #expect(response.status == exchange.status, what)
                #expect(response.headers["Content-Type"] == exchange.responseHeader("Content-Type"), what)
                let shape = try #require(JSONShape(exchange.responseBody?.bytes ?? []))
                if exchange.status == 409 {
                    #expect(response.headers["X-Log-Index"] == "0")
                } else {
                    #expect(shape.difference(from: try #require(JSONShape(response.body), what)) == nil, what)
                }
                guard exchange.status == 201 else { continue }
                let (mine, theirs) = (
                    try TiledAnswer(response.body), try TiledAnswer(exchange.responseBody?.bytes ?? [])
                )
                #expect(mine.canonicalizedBody == theirs.canonicalizedBody, what)
            }
        }
    }

    @Test func `entries that come together share a checkpoint, and each proof leads to its root`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let answers = try await TiledSubmission.logAll(40, endpoints.rekor2, client)
            #expect(Set(answers.map(\.logIndex)).count == 40)
            #expect(Set(answers.map(\.inclusionProof.treeSize)).count < 40)
            for answer in answers { #expect(answer.isProven) }
            #expect(lab.rekor2Size == 40)
        }
    }

    @Test func `a restart continues tree and checkpoint and knows its duplicates`() async throws {
        let submission = try TiledSubmission()
        try await RunningLab.withFolder { folder in
            let first = try await RunningLab.run(in: folder) { _, endpoints, client in
                _ = try await TiledSubmission.logAll(3, endpoints.rekor2, client)
                return try TiledAnswer(try await client.log(submission, endpoints.rekor2).body)
            }
            try await RunningLab.run(in: folder) { _, endpoints, client in
                #expect(
                    try await client.text("\(endpoints.rekor2)/checkpoint") == first.inclusionProof.checkpoint.envelope)
                let again = try await client.log(submission, endpoints.rekor2)
                #expect(again.status == 409)
                #expect(again.headers["X-Log-Index"] == first.logIndex)
            }
        }
    }

    @Test func `every entry and every proof can be had from the tiles alone`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            _ = try await TiledSubmission.logAll(261, endpoints.rekor2, client)
            let full = try await client.get("\(endpoints.rekor2)/tile/entries/000")
            let partial = try await client.get("\(endpoints.rekor2)/tile/entries/001.p/5")
            let leaves = TiledAnswer.entries(full.body) + TiledAnswer.entries(partial.body)
            #expect(leaves.count == 261)
            let hashes =
                try await client.get("\(endpoints.rekor2)/tile/0/000").body
                + client.get("\(endpoints.rekor2)/api/v2/tile/0/001.p/5").body
            #expect(hashes == leaves.flatMap(MerkleTree.leafHash))
            // level 1 holds the hash of the first full tile
            var tree = MerkleTree()
            for leaf in leaves { tree.append(leafHash: MerkleTree.leafHash(leaf)) }
            let above = try await client.get("\(endpoints.rekor2)/tile/1/000.p/1").body
            #expect(above == tree.root(size: 256))
            let lines = try await client.text("\(endpoints.rekor2)/checkpoint").split(separator: "\n")
            #expect(lines[1] == "261" && [UInt8](base64: lines[2]) == tree.root(size: 261))
            // what C2SP allows: partial tiles go once the full one is there
            #expect(try await client.get("\(endpoints.rekor2)/tile/0/000.p/200").body.count == 200 * 32)
            lab.faults.set(Fault(.distort(.noPartialTiles)), for: .rekor2)
            #expect(try await client.get("\(endpoints.rekor2)/tile/0/000.p/200").status == 404)
            #expect(try await client.get("\(endpoints.rekor2)/tile/0/001.p/4").status == 200)
            for path in ["tile/0/001", "tile/0/001.p/6", "tile/0/002.p/1", "tile/1/000.p/2", "tile/entries/001.p/0"] {
                #expect(try await client.get("\(endpoints.rekor2)/\(path)").status == 404, "\(path)")
            }
        }
    }

    @Test func `a frozen log refuses entries, says so in its last checkpoint, and stays frozen`() async throws {
        try await RunningLab.withFolder { folder in
            for round in 1...2 {
                try await RunningLab.run(in: folder) { _, endpoints, client in
                    if round == 1 {
                        _ = try await TiledSubmission.logAll(2, endpoints.rekor2, client)
                        #expect(try await client.post("\(endpoints.rekor2)/lab/freeze", []).status == 200)
                    }
                    let refused = try await client.log(try TiledSubmission(), endpoints.rekor2)
                    #expect(refused.status == 405)
                    #expect(String(decoding: refused.body, as: UTF8.self).hasPrefix("This log has been frozen"))
                    // recorded from a real read-only server: parsed first, then frozen, then looked at
                    let url = "\(endpoints.rekor2)/api/v2/log/entries"
                    #expect(try await client.post(url, Array("{".utf8)).status == 400)
                    #expect(try await client.post(url, Array("{}".utf8)).status == 405)
                    #expect(try await client.get(url).status == 501)
                    let lines = try await client.text("\(endpoints.rekor2)/checkpoint").split(separator: "\n")
                    #expect(lines[1] == "2" && lines[3].hasPrefix("Log frozen \u{2014} "))
                }
            }
        }
    }

    @Test func `checkpoints are signed under the name of the URL's host, and by each witness`() async throws {
        try await RunningLab.withFolder { folder in
            var configuration = LabConfiguration(directory: folder)
            configuration.witnesses = 2
            try await Lab.withRunning(configuration) { lab in
                let client = HTTPClient()
                defer { client.shutdown() }
                let note = try await client.text("\(try await lab.endpoints.rekor2)/checkpoint")
                let parts = note.split(separator: "\n\n", maxSplits: 1)
                let text = Array("\(parts[0])\n".utf8)
                let lines = parts[1].split(separator: "\n").map { $0.split(separator: " ") }
                #expect(lines.map { $0[1] } == ["127.0.0.1", "witness1.countersign.lab", "witness2.countersign.lab"])
                for (line, vkey) in zip(lines.dropFirst(), lab.witnessKeys) {
                    let fields = vkey.split(separator: "+", maxSplits: 2)
                    let key = try PublicKey(ed25519: Array(try #require([UInt8](base64: fields[2])).dropFirst()))
                    let signature = try #require([UInt8](base64: line[2]))
                    #expect(Array(signature.prefix(4)).hex == fields[1])
                    let time = signature[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                    try key.verify(
                        Array(signature.dropFirst(12)), of: Array("cosignature/v1\ntime \(time)\n".utf8) + text)
                }
            }
        }
    }

    @Test(arguments: [
        ("tile/0/000", 0, 256), ("tile/0/999.p/255", 999, 255), ("tile/2/x001/x234/067", 1_234_067, 256),
        ("tile/entries/x001/000.p/1", 1000, 1),
    ])
    func `a tile's address is read`(path: String, index: Int, width: Int) throws {
        let tile = try #require(TilePath(path))
        #expect(tile.index == index && tile.width == width)
    }

    @Test(arguments: [
        "", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/0/x000/001", "tile/0/x001", "tile/0/001/002", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/1/2", "tile/entries/00a", "tiles/0/000", "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ])
    func `what is no tile's address is not read`(path: String) { #expect(TilePath(path) == nil) }
}

/// A hashedrekord request of its own, signed by a key of its own.
struct TiledSubmission {
    let body: [UInt8]

    init() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let message = SecureRandom.bytes(16)
        body = Array(
            """
            {"hashedRekordRequestV002":{"digest":"\(Hash.sha256(message).base64)","signature":{"content":\
            "\(try key.sign(message).base64)","verifier":{"publicKey":{"rawBytes":"\(key.publicKey.spki.base64)"},\
            "keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}
            """.utf8)
    }

    static func logAll(_ count: Int, _ url: String, _ client: HTTPClient) async throws -> [TiledAnswer] {
        try await withThrowingTaskGroup(of: TiledAnswer.self) { group in
            for _ in 0..<count {
                let submission = try TiledSubmission()
                group.addTask { try TiledAnswer(try await client.log(submission, url).body) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}

/// What of an answer the tests read.
struct TiledAnswer: Decodable, Sendable {
    struct Proof: Decodable, Sendable {
        struct Checkpoint: Decodable, Sendable { let envelope: String }
        let rootHash: String
        let treeSize: String
        let hashes: [String]
        let checkpoint: Checkpoint
    }
    let logIndex: String
    let inclusionProof: Proof
    let canonicalizedBody: String

    init(_ json: [UInt8]) throws { self = try JSONDecoder().decode(TiledAnswer.self, from: Data(json)) }

    /// Whether the path leads from the body to the root of the checkpoint.
    var isProven: Bool {
        guard let body = [UInt8](base64: canonicalizedBody), let index = Int(logIndex),
            let size = Int(inclusionProof.treeSize)
        else { return false }
        let root = ProofCheck.root(
            of: MerkleTree.leafHash(body), index, size, inclusionProof.hashes.compactMap { [UInt8](base64: $0) })
        let lines = inclusionProof.checkpoint.envelope.split(separator: "\n")
        return root?.base64 == inclusionProof.rootHash && lines[1] == "\(size)" && lines[2] == inclusionProof.rootHash
    }

    /// The leaves of an entry bundle.
    static func entries(_ bundle: [UInt8]) -> [[UInt8]] {
        var entries: [[UInt8]] = []
        var rest = bundle[...]
        while rest.count >= 2 {
            let count = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
            entries.append(Array(rest.dropFirst(2).prefix(count)))
            rest = rest.dropFirst(2 + count)
        }
        return entries
    }
}

extension HTTPClient {
    func log(_ submission: TiledSubmission, _ url: String) async throws -> HTTPResponse {
        try await post("\(url)/api/v2/log/entries", submission.body)
    }

    func text(_ url: String) async throws -> String { String(decoding: try await get(url).body, as: UTF8.self) }
}
