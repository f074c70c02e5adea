import OpenSSL

/// `POST /api/v1/log/entries/retrieve`: entries by index, by UUID or by what was proposed.
struct EntryQuery {
    private static let maxItems = 10
    private let indexes: [Int]
    private let uuids: [String]
    private let proposals: [ProposedEntry]

    private struct Form: Decodable {
        let logIndexes: [Int]?
        let entryUUIDs: [String]?
        let entries: [RawJSON]?
    }

    init(_ request: LabRequest) throws {
        try RekorSite.requireJSON(request)
        let form = try ProposedEntry.decode(Form.self, request.body)
        for (name, count) in [
            ("logIndexes", form.logIndexes?.count), ("entryUUIDs", form.entryUUIDs?.count),
            ("entries", form.entries?.count),
        ] where (count ?? 0) > Self.maxItems {
            throw RekorRefusal.invalid(code: 611, "\(name) in body should have at most \(Self.maxItems) items")
        }
        indexes = form.logIndexes ?? []
        uuids = form.entryUUIDs ?? []
        proposals = try (form.entries ?? []).map { try ProposedEntry(json: canonicalJSON($0)) }
    }

    func answer(from log: RekorShards) async throws -> Answer {
        var found: [[String: LoggedEntry]] = []
        for index in indexes {
            guard let entry = try await log.entry(at: index) else { throw RekorRefusal.notFound }
            found.append(entry.keyed)
        }
        for uuid in uuids + proposals.map({ MerkleTree.leafHash($0.canonicalBody).hex }) {
            if let entry = try await log.entry(uuid: uuid) { found.append(entry.keyed) }
        }
        return .json(found, newline: true)
    }
}

/// `POST /api/v1/index/retrieve`: UUIDs by artifact hash, e-mail address or key.
struct IndexQuery {
    private let keys: [String]
    private let isConjunction: Bool

    private struct Form: Decodable {
        struct Key: Decodable {
            let format: String
            let content: String?
        }
        let hash: String?
        let email: String?
        let publicKey: Key?
        let `operator`: String?
    }

    init(_ request: LabRequest) throws {
        try RekorSite.requireJSON(request)
        let form = try ProposedEntry.decode(Form.self, request.body)
        var keys: [String] = []
        if let hash = form.hash { keys.append(try Self.hashKey(hash)) }
        if let email = form.email {
            guard email.contains("@"), !email.contains("/") else {
                throw RekorRefusal.invalid(code: 601, "email in body must be of type email: \"\(email)\"")
            }
            keys.append(email)
        }
        if let key = form.publicKey {
            guard key.format == "x509", let pem = key.content.flatMap({ [UInt8](base64: $0) }) else {
                throw RekorRefusal.badRequest("only x509 public keys are indexed by this log")
            }
            keys.append(try VerificationKey(pem: pem).fingerprint)
        }
        guard !keys.isEmpty else { throw RekorRefusal.badRequest("at least one of hash, email, publicKey is required") }
        self.keys = keys
        isConjunction = form.operator == "and"
    }

    func answer(from log: RekorShards) -> Answer {
        let lists = keys.map { log.uuids(for: $0) }
        var found = lists[0]
        for list in lists.dropFirst() {
            found = isConjunction ? found.filter(list.contains) : found + list.filter { !found.contains($0) }
        }
        return .json(found, newline: true)
    }

    /// A bare SHA-256 in hex gets its prefix, as rekor-cli sends it.
    private static func hashKey(_ hash: String) throws(RekorRefusal) -> String {
        let parts = hash.split(separator: ":", omittingEmptySubsequences: false)
        let digits = [40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"]
        guard let hex = parts.last, [UInt8](hex: hex) != nil, let algorithm = digits[hex.utf8.count],
            parts.count == 1 || (parts.count == 2 && parts[0].lowercased() == algorithm)
        else {
            throw .invalid(
                code: 605,
                "hash in body should match '^(sha512:)?[0-9a-fA-F]{128}$|^(sha256:)?[0-9a-fA-F]{64}$|^(sha1:)?[0-9a-fA-F]{40}$'"
            )
        }
        return "\(algorithm):\(hex)"
    }
}

/// JSON of any shape, carried through unread.
struct RawJSON: Codable {
    private enum Value {
        case null, bool(Bool), integer(Int64), number(Double), text(String), list([RawJSON]), object([String: RawJSON])
    }

    private let value: Value

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let flag = try? container.decode(Bool.self) {
            value = .bool(flag)
        } else if let integer = try? container.decode(Int64.self) {
            value = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            value = .number(number)
        } else if let text = try? container.decode(String.self) {
            value = .text(text)
        } else if let list = try? container.decode([RawJSON].self) {
            value = .list(list)
        } else {
            value = .object(try container.decode([String: RawJSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .null: try container.encodeNil()
        case .bool(let flag): try container.encode(flag)
        case .integer(let integer): try container.encode(integer)
        case .number(let number): try container.encode(number)
        case .text(let text): try container.encode(text)
        case .list(let list): try container.encode(list)
        case .object(let object): try container.encode(object)
        }
    }
}
