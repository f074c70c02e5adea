import FoundationEssentials
import OpenSSL
import StrictJSON
import Synchronization

@testable import TUF

/// A TUF repository in memory that does what a test wants, wrong things included.
final class SimulatedRepository: TUFRepository {
    /// One role as its owners keep it.
    struct Role {
        var version = 1
        var expires = "2030-01-01T00:00:00Z"
        /// Who may sign it, as its delegator says.
        var keys: [SimulatedKey] = []
        var threshold = 1
        /// Who does sign it; nil: all who may.
        var signers: [SimulatedKey]?
        /// Files of a targets role.
        var targets: [String: JSONValue] = [:]
        var delegations: JSONValue?
        /// Fields that replace those of the signed part.
        var overrides: [String: JSONValue] = [:]
        var isPublished = false
    }

    struct State {
        var roles: [String: Role] = [:]
        var isConsistent = true
        var statesDigests = false
        var statesLengths = true
        var snapshotMeta: [String: JSONValue] = [:]
        var timestampMeta: [String: JSONValue] = [:]
        var metadata: [String: [UInt8]] = [:]
        var targets: [String: [UInt8]] = [:]
        var requests: [String] = []
    }

    private let state: Mutex<State>
    static let now = date("2026-11-24T00:00:00Z")

    static func date(_ text: String) -> Date { (try? Date(text, strategy: .iso8601)) ?? .distantPast }

    /// A repository with one key for each role, everything in version 1.
    init() throws {
        var state = State()
        for name in ["root", "timestamp", "snapshot", "targets"] {
            state.roles[name] = Role(keys: [try SimulatedKey()])
        }
        self.state = Mutex(state)
        try publish("root", "targets", "snapshot", "timestamp")
    }

    subscript(role: String) -> Role {
        get { state.withLock { $0.roles[role] ?? Role() } }
        set { state.withLock { $0.roles[role] = newValue } }
    }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    var requests: [String] { state.withLock(\.requests) }

    func file(_ name: String) -> [UInt8] { state.withLock { $0.metadata[name] ?? [] } }

    /// Signs the roles in that order and serves them; a role that was published before gets the next version.
    func publish(_ names: String..., bumping: Bool = true) throws {
        for name in names {
            try state.withLock { state in
                guard var role = state.roles[name] else { return }
                if role.isPublished, bumping { role.version += 1 }
                role.isPublished = true
                state.roles[name] = role
                let bytes = try Self.signed(name, role, state)
                let file = "\(name.percentEncoded()).json"
                // roots always have their versions in their names, timestamps never
                if name != "root" { state.metadata[file] = bytes }
                if name != "timestamp" { state.metadata["\(role.version).\(file)"] = bytes }
                if name == "root" || name == "timestamp" { return }
                var reference: JSONObject = ["version": .integer(role.version)]
                if state.statesDigests {
                    reference["length"] = state.statesLengths ? .integer(bytes.count) : nil
                    reference["hashes"] = .object(["sha256": .string(Hex.encode(Hash.sha256(bytes)))])
                }
                if name == "snapshot" {
                    state.timestampMeta["snapshot.json"] = .object(reference)
                } else {
                    state.snapshotMeta["\(name).json"] = .object(reference)
                }
            }
        }
    }

    private static func signed(_ name: String, _ role: Role, _ state: State) throws -> [UInt8] {
        var signed: JSONObject = [
            "_type": .string(["root", "timestamp", "snapshot"].contains(name) ? name : "targets"),
            "spec_version": .string("1.0.31"), "version": .integer(role.version), "expires": .string(role.expires),
        ]
        switch name {
        case "root":
            signed["consistent_snapshot"] = .bool(state.isConsistent)
            var keys = JSONObject()
            var roles = JSONObject()
            for name in ["root", "timestamp", "snapshot", "targets"] {
                let role = state.roles[name] ?? Role()
                for key in role.keys { keys[key.id] = key.json }
                roles[name] = .object([
                    "keyids": .array(role.keys.map { .string($0.id) }), "threshold": .integer(role.threshold),
                ])
            }
            signed["keys"] = .object(keys)
            signed["roles"] = .object(roles)
        case "timestamp": signed["meta"] = .object(JSONObject(state.timestampMeta.map { .init($0.key, $0.value) }))
        case "snapshot": signed["meta"] = .object(JSONObject(state.snapshotMeta.map { .init($0.key, $0.value) }))
        default:
            signed["targets"] = .object(JSONObject(role.targets.map { .init($0.key, $0.value) }))
            signed["delegations"] = role.delegations
        }
        for (name, value) in role.overrides { signed[name] = value }
        return try sign(.object(signed), by: role.signers ?? role.keys)
    }

    /// A metadata file of these contents.
    static func sign(_ signed: JSONValue, by keys: [SimulatedKey]) throws -> [UInt8] {
        let message = try signed.olpcCanonical()
        let signatures = try keys.map { key in
            JSONValue.object(["keyid": .string(key.id), "sig": .string(Hex.encode(try key.sign(message)))])
        }
        return JSONValue.object(["signed": signed, "signatures": .array(signatures)]).encoded()
    }

    /// Adds a file to a targets role; publish the role afterwards.
    func addTarget(_ path: String, _ content: String, to role: String = "targets") {
        let bytes = Array(content.utf8)
        let digest = Hex.encode(Hash.sha256(bytes))
        state.withLock { state in
            state.roles[role, default: Role()].targets[path] = .object([
                "length": .integer(bytes.count), "hashes": .object(["sha256": .string(digest)]),
            ])
            let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
            state.targets["\(path[..<slash])\(digest).\(path[slash...])".percentEncoded(keeping: "/")] = bytes
            state.targets[path.percentEncoded(keeping: "/")] = bytes
        }
    }

    /// Lets `delegator` delegate to roles with fresh keys; publish all of them afterwards.
    func delegate(_ delegator: String, to delegations: [Delegation]) throws {
        var keys = JSONObject()
        var roles: [JSONValue] = []
        for delegation in delegations {
            let key = try SimulatedKey()
            keys[key.id] = key.json
            var role = delegation.json
            role["keyids"] = .array([.string(key.id)])
            roles.append(.object(role))
            state.withLock { $0.roles[delegation.name, default: Role()].keys.append(key) }
        }
        let delegations = JSONValue.object(["keys": .object(keys), "roles": .array(roles)])
        state.withLock { $0.roles[delegator]?.delegations = delegations }
    }

    struct Delegation {
        let name: String
        var paths: [String]?
        var prefixes: [String]?
        var isTerminating = false

        init(_ name: String, _ paths: String..., isTerminating: Bool = false) {
            self.name = name
            self.paths = paths
            self.isTerminating = isTerminating
        }

        init(_ name: String, prefixes: [String]) {
            self.name = name
            self.prefixes = prefixes
        }

        var json: JSONObject {
            var role: JSONObject = [
                "name": .string(name), "threshold": .integer(1), "terminating": .bool(isTerminating),
            ]
            role["paths"] = paths.map { .array($0.map { .string($0) }) }
            role["path_hash_prefixes"] = prefixes.map { .array($0.map { .string($0) }) }
            return role
        }
    }

    // MARK: TUFRepository

    func metadata(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        state.withLock { state in
            state.requests.append(name)
            return state.metadata[name]
        }
    }

    func target(_ path: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? {
        state.withLock { state in
            state.requests.append(path)
            return state.targets[path]
        }
    }
}

/// A signing key of a repository.
struct SimulatedKey {
    enum Kind: CaseIterable { case ed25519, ecdsa, ecdsaInHexadecimal, rsa }

    let key: PrivateKey
    let json: JSONValue
    var id: String
    private let scheme: SignatureScheme

    init(_ kind: Kind = .ed25519) throws {
        let (type, name): (String, String)
        let text: String
        switch kind {
        case .ed25519:
            key = try .generate(.ed25519)
            (type, name, scheme) = ("ed25519", "ed25519", .ed25519)
            text = Hex.encode(key.publicKey.ed25519Bytes ?? [])
        case .ecdsa:
            key = try .generate(.ecdsaP256)
            (type, name, scheme) = ("ecdsa", "ecdsa-sha2-nistp256", .ecdsa(.sha256))
            text = key.publicKey.pem
        case .ecdsaInHexadecimal:
            key = try .generate(.ecdsaP256)
            (type, name, scheme) = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", .ecdsa(.sha256))
            let point = key.publicKey.ecPoint
            text = Hex.encode([4] + (point?.x ?? []) + (point?.y ?? []))
        case .rsa:
            key = try .generate(.rsa(bits: 2048))
            (type, name, scheme) = ("rsa", "rsassa-pss-sha256", .rsaPSS(.sha256))
            text = key.publicKey.pem
        }
        json = .object([
            "keytype": .string(type), "scheme": .string(name), "keyval": .object(["public": .string(text)]),
        ])
        id = Hex.encode(Hash.sha256(try json.olpcCanonical()))
    }

    /// The same key under another name.
    func renamed(_ id: String) -> SimulatedKey {
        var key = self
        key.id = id
        return key
    }

    func sign(_ message: [UInt8]) throws -> [UInt8] { try key.sign(message, scheme) }
}

extension TUFClient {
    /// A client that pinned the repository's first root.
    init(_ repository: SimulatedRepository, cache: any TUFCache = TUFMemoryCache(), limits: TUFLimits = .init()) {
        self.init(
            pinnedRoot: repository.file("1.root.json"), repository: repository, cache: cache, limits: limits)
    }

    @discardableResult
    func update() async throws(TUFError) -> TUFSession { try await update(at: SimulatedRepository.now) }
}
