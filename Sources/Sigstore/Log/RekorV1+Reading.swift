import Curl
import OpenSSL
import StrictJSON

extension RekorV1 {
    /// The state of the log's trees.
    public struct LogInfo: Sendable, Equatable {
        /// One tree. Only the active one grows; indexes of entries run on over all of them.
        public struct Shard: Sendable, Equatable {
            /// Its id, which its checkpoints' origin ends with.
            public let treeID: String
            /// Its leaves.
            public let treeSize: Int64
            /// The root over them.
            public let rootHash: [UInt8]
            /// The signed note that says so.
            public let checkpoint: String
        }

        /// The tree that takes entries.
        public let active: Shard
        /// The closed ones, as the log lists them.
        public let inactive: [Shard]
        /// Leaves of all trees: one more than the newest global index.
        public let totalSize: Int64

        /// Leaves in the active tree.
        public var treeSize: Int64 { active.treeSize }
        /// The active tree's signed note.
        public var checkpoint: String { active.checkpoint }
    }

    /// At most this many shards and found entries are read.
    private static let maxShards = 64
    private static let maxFound = 10_000

    /// `GET /api/v1/log`.
    public func logInfo() async throws(SigstoreError) -> LogInfo {
        let response = try await upstream.get("/api/v1/log")
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        return try answer { () throws(SigstoreError) in
            let document = try JSONField(document: "log info", parsing: response.body)
            var inactive: [LogInfo.Shard] = []
            for field in try document.optional("inactiveShards")?.elements(atMost: Self.maxShards) ?? [] {
                inactive.append(try LogInfo.Shard(field))
            }
            let active = try LogInfo.Shard(document)
            var total: Int64 = 0
            for shard in inactive + [active] {
                let (sum, overflow) = total.addingReportingOverflow(shard.treeSize)
                guard !overflow else { throw document.malformed("more entries than can be counted") }
                total = sum
            }
            return LogInfo(active: active, inactive: inactive, totalSize: total)
        }
    }

    /// The checkpoints of all shards, the active one's first.
    public func checkpoints() async throws(SigstoreError) -> [Checkpoint] {
        let info = try await logInfo()
        return try answer { () throws(SigstoreError) in
            var checkpoints: [Checkpoint] = []
            for shard in [info.active] + info.inactive {
                let checkpoint = try Checkpoint(note: shard.checkpoint)
                guard checkpoint.size == UInt64(exactly: shard.treeSize), checkpoint.rootHash == shard.rootHash else {
                    throw .malformed("log info", "a tree's size or root is not its signed note's")
                }
                checkpoints.append(checkpoint)
            }
            return checkpoints
        }
    }

    /// `GET /api/v1/log/proof`, for the tree that the checkpoints' origin names.
    public func consistencyProof(
        from first: Checkpoint, to second: Checkpoint
    ) async throws(SigstoreError) -> [[UInt8]] {
        guard first.size > 0, first.size < second.size else { return [] }
        var path = "/api/v1/log/proof?firstSize=\(first.size)&lastSize=\(second.size)"
        if let tree = Self.treeID(of: second) { path += "&treeID=\(tree)" }
        let response = try await upstream.get(path)
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        return try answer { () throws(SigstoreError) in try Self.proof(in: response.body) }
    }

    /// The hashes of a consistency proof.
    static func proof(in body: [UInt8]) throws(SigstoreError) -> [[UInt8]] {
        let document = try JSONField(document: "consistency proof", parsing: body)
        var hashes: [[UInt8]] = []
        for field in try document.optional("hashes")?.elements(atMost: 128) ?? [] { hashes.append(try field.hex()) }
        return hashes
    }

    /// `POST /api/v1/index/retrieve`: uuids of entries, without order.
    public func search(_ search: LogSearch) async throws(SigstoreError) -> [String] {
        let response = try await upstream.post("/api/v1/index/retrieve", search.question, type: "application/json")
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        return try answer { () throws(SigstoreError) in try Self.uuids(in: response.body) }
    }

    /// The uuids that a search found.
    static func uuids(in body: [UInt8]) throws(SigstoreError) -> [String] {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(parsing: body) } catch {
            throw .malformed("search result", error.description)
        }
        var found: [String] = []
        for field in try JSONField(value, path: "search result").elements(atMost: maxFound) {
            let uuid = try field.string()
            guard [64, 80].contains(uuid.utf8.count), Hex.decode(uuid) != nil else {
                throw field.malformed("not a uuid of an entry")
            }
            found.append(uuid)
        }
        return found
    }

    /// The digits after `host - ` in an origin.
    private static func treeID(of checkpoint: Checkpoint) -> String? {
        guard let range = checkpoint.origin.firstRange(of: " - ") else { return nil }
        let digits = checkpoint.origin[range.upperBound...]
        return digits.isEmpty || !digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) ? nil : String(digits)
    }
}

extension RekorV1.LogInfo.Shard {
    init(_ field: JSONField) throws(SigstoreError) {
        treeID = try field.optional("treeID")?.string() ?? ""
        treeSize = try field.required("treeSize").count()
        rootHash = try field.required("rootHash").hex()
        checkpoint = try field.required("signedTreeHead").string()
    }
}
