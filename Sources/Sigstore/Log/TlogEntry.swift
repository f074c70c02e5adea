import OpenSSL
import StrictJSON

/// One entry of a transparency log with what proves that it is in there (sigstore_rekor.proto, `TransparencyLogEntry`).
public struct TlogEntry: Sendable, Equatable {
    /// The path from the entry to a root, and the checkpoint that signs this root.
    public struct InclusionProof: Sendable, Equatable {
        /// The index within the shard's tree; not the entry's global ``TlogEntry/logIndex``.
        public var logIndex: Int64
        /// The root that the path leads to.
        public var rootHash: [UInt8]
        /// The number of leaves under that root.
        public var treeSize: Int64
        /// The audit path, from the leaf upwards.
        public var hashes: [[UInt8]]
        /// The signed note; empty if the log gave none.
        public var checkpoint: String

        /// An inclusion proof.
        public init(logIndex: Int64, rootHash: [UInt8], treeSize: Int64, hashes: [[UInt8]], checkpoint: String) {
            self.logIndex = logIndex
            self.rootHash = rootHash
            self.treeSize = treeSize
            self.hashes = hashes
            self.checkpoint = checkpoint
        }
    }

    /// The global index in the log.
    public var logIndex: Int64
    /// The log's id; SHA-256 of the key's DER for Rekor v1.
    public var logID: [UInt8]
    /// The kind of the body, such as `dsse`.
    public var kind: String
    /// The version of that kind, such as `0.0.1`.
    public var version: String
    /// When the log took it, seconds since 1970; 0 in Rekor v2, which does not say.
    public var integratedTime: Int64
    /// The signed entry timestamp (SET), which also authenticates the time; Rekor v1 only.
    public var inclusionPromise: [UInt8]?
    /// The proof, if the log gave one.
    public var inclusionProof: InclusionProof?
    /// The leaf's bytes as the log stores them.
    public var canonicalizedBody: [UInt8]
    /// Rekor v1's name for the entry: 16 hex digits of the tree and 64 of the leaf hash. Not part of a bundle.
    public var uuid: String?

    /// An entry, as a log returned it.
    public init(
        logIndex: Int64, logID: [UInt8], kind: String, version: String, integratedTime: Int64,
        inclusionPromise: [UInt8]?, inclusionProof: InclusionProof?, canonicalizedBody: [UInt8], uuid: String? = nil
    ) {
        self.logIndex = logIndex
        self.logID = logID
        self.kind = kind
        self.version = version
        self.integratedTime = integratedTime
        self.inclusionPromise = inclusionPromise
        self.inclusionProof = inclusionProof
        self.canonicalizedBody = canonicalizedBody
        self.uuid = uuid
    }

    /// JSON for keeping the entry: the bundle's form and the uuid beside it.
    public func encoded() -> [UInt8] {
        var object: JSONObject = ["entry": protobufJSON]
        if let uuid { object["uuid"] = .string(uuid) }
        return JSONValue.object(object).encoded()
    }

    /// Reads what ``encoded()`` wrote.
    /// - Throws: ``SigstoreError/malformed(_:_:)``.
    public init(json: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "stored tlog entry", parsing: json)
        try self.init(document.required("entry"))
        uuid = try document.optional("uuid")?.string()
    }
}

extension TlogEntry {
    /// ProtoJSON: 64-bit integers as strings, zero values and absent messages left out, members in the schema's order.
    ///
    /// But an index of 0 and an empty path, those of a log's first entry, are written: sigstore-python (4.5) does not read
    /// an entry without them, and ProtoJSON allows it.
    var protobufJSON: JSONValue {
        var object: JSONObject = [:]
        object["logIndex"] = .string(String(logIndex))
        object["logId"] = .object(["keyId": .string(Base64.encode(logID))])
        object["kindVersion"] = .object(["kind": .string(kind), "version": .string(version)])
        if integratedTime != 0 { object["integratedTime"] = .string(String(integratedTime)) }
        if let promise = inclusionPromise {
            object["inclusionPromise"] = .object(["signedEntryTimestamp": .string(Base64.encode(promise))])
        }
        if let proof = inclusionProof { object["inclusionProof"] = proof.protobufJSON }
        object["canonicalizedBody"] = .string(Base64.encode(canonicalizedBody))
        return .object(object)
    }

    init(_ field: JSONField) throws(SigstoreError) {
        try field.onlyMembers(
            "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof",
            "canonicalizedBody")
        logIndex = try field.optional("logIndex")?.count() ?? 0
        let log = try field.required("logId")
        try log.onlyMembers("keyId")
        logID = try log.required("keyId").bytes()
        let kindVersion = try field.required("kindVersion")
        try kindVersion.onlyMembers("kind", "version")
        kind = try kindVersion.required("kind").string()
        version = try kindVersion.required("version").string()
        integratedTime = try field.optional("integratedTime")?.count() ?? 0
        let promise = try field.optional("inclusionPromise")
        try promise?.onlyMembers("signedEntryTimestamp")
        inclusionPromise = try promise?.required("signedEntryTimestamp").bytes()
        inclusionProof = try field.optional("inclusionProof").map { (proof) throws(SigstoreError) in
            try InclusionProof(proof)
        }
        canonicalizedBody = try field.required("canonicalizedBody").bytes()
        uuid = nil
    }
}

extension TlogEntry.InclusionProof {
    fileprivate var protobufJSON: JSONValue {
        var object: JSONObject = [:]
        object["logIndex"] = .string(String(logIndex))
        object["rootHash"] = .string(Base64.encode(rootHash))
        if treeSize != 0 { object["treeSize"] = .string(String(treeSize)) }
        object["hashes"] = .array(hashes.map { .string(Base64.encode($0)) })
        if !checkpoint.isEmpty { object["checkpoint"] = .object(["envelope": .string(checkpoint)]) }
        return .object(object)
    }

    fileprivate init(_ field: JSONField) throws(SigstoreError) {
        try field.onlyMembers("logIndex", "rootHash", "treeSize", "hashes", "checkpoint")
        logIndex = try field.optional("logIndex")?.count() ?? 0
        rootHash = try field.required("rootHash").bytes()
        treeSize = try field.optional("treeSize")?.count() ?? 0
        hashes = []
        for hash in try field.optional("hashes")?.elements(atMost: 64) ?? [] {
            let bytes = try hash.bytes()
            guard bytes.count == 32 else { throw hash.malformed("\(bytes.count) bytes, a hash has 32") }
            hashes.append(bytes)
        }
        let checkpoint = try field.optional("checkpoint")
        try checkpoint?.onlyMembers("envelope")
        self.checkpoint = try checkpoint?.optional("envelope")?.string() ?? ""
    }
}
