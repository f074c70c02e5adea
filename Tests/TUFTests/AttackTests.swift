import FoundationEssentials
import OpenSSL
import StrictJSON
import Testing

@testable import TUF

/// What a repository, a mirror or somebody on the way can try (specification 1.5.2), and that nothing of it is kept.
@Suite struct AttackTests {
    private let repository: SimulatedRepository
    private let cache = TUFMemoryCache()
    private var client: TUFClient { TUFClient(repository, cache: cache) }

    init() throws { repository = try SimulatedRepository() }

    private func expect(
        _ expected: TUFError, keeping role: String, at version: Int64, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        await #expect(throws: expected, sourceLocation: location) { try await client.update() }
        let kept = try #require(try await cache.metadata(of: role), sourceLocation: location)
        let file = try MetadataFile(kept, name: role, type: role)
        #expect(file.version == version, sourceLocation: location)
    }

    // MARK: Rollback

    @Test func `an older timestamp is refused`() async throws {
        try repository.publish("timestamp", "timestamp")
        try await client.update()
        repository["timestamp"].version = 1
        try repository.publish("timestamp", bumping: false)
        try await expect(.rollback(file: "timestamp.json", trusted: 3, offered: 1), keeping: "timestamp", at: 3)
    }

    @Test func `a timestamp of the same version changes nothing`() async throws {
        try await client.update()
        let before = try await cache.metadata(of: "timestamp")
        repository.change { $0.timestampMeta["snapshot.json"] = .object(["version": .integer(100)]) }
        try repository.publish("timestamp", bumping: false)
        try await client.update()
        #expect(try await cache.metadata(of: "timestamp") == before)
        #expect(repository.requests.last == "timestamp.json")
    }

    @Test(arguments: [false, true])
    func `a newer timestamp with an older snapshot is refused`(_ statesDigests: Bool) async throws {
        repository.change { $0.statesDigests = statesDigests }
        try repository.publish("snapshot", "timestamp")
        try await client.update()
        repository["snapshot"].version = 1
        try repository.publish("snapshot", bumping: false)
        try repository.publish("timestamp")
        try await expect(.rollback(file: "snapshot.json", trusted: 2, offered: 1), keeping: "timestamp", at: 2)
    }

    @Test(arguments: [false, true])
    func `a newer snapshot with older targets is refused`(_ statesDigests: Bool) async throws {
        repository.change { $0.statesDigests = statesDigests }
        try repository.publish("targets", "snapshot", "timestamp")
        try await client.update()
        repository["targets"].version = 1
        try repository.publish("targets", bumping: false)
        try repository.publish("snapshot", "timestamp")
        try await expect(.rollback(file: "targets.json", trusted: 2, offered: 1), keeping: "snapshot", at: 2)
    }

    @Test func `a role that disappears from the snapshot is refused`() async throws {
        repository.change { $0.snapshotMeta["team.json"] = .object(["version": .integer(1)]) }
        try repository.publish("snapshot", "timestamp")
        try await client.update()
        repository.change { $0.snapshotMeta["team.json"] = nil }
        try repository.publish("snapshot", "timestamp")
        try await expect(.removed(file: "team.json"), keeping: "snapshot", at: 2)
    }

    // MARK: Recovery from fast-forward

    @Test(arguments: ["timestamp", "snapshot"])
    func `after its keys were rotated a role may begin anew`(_ role: String) async throws {
        repository["targets"].version = 900
        repository["snapshot"].version = 900
        repository["timestamp"].version = 900
        try repository.publish("targets", "snapshot", "timestamp")
        try await client.update()
        for name in ["targets", "snapshot", "timestamp"] { repository[name].version = 1 }
        try repository.publish("targets", "snapshot", "timestamp", bumping: false)
        await #expect(throws: TUFError.self) { try await client.update() }

        repository[role].keys = [try SimulatedKey()]
        try repository.publish("root")
        try repository.publish("targets", "snapshot", "timestamp", bumping: false)
        let session = try await client.update()
        #expect(session.trusted.timestamp?.version == 1 && session.trusted.targets?.version == 1)
    }

    // MARK: Freeze

    @Test(arguments: [("timestamp", "timestamp"), ("snapshot", "timestamp"), ("targets", "snapshot")])
    func `an expired role is refused, and what was trusted before stays`(_ role: String, _ above: String) async throws {
        try await client.update()
        repository[role].expires = "2026-11-24T00:00:00Z"
        try repository.publish("targets", "snapshot", "timestamp")
        // expires *at* the start of the update: must be higher
        let end = SimulatedRepository.now
        try await expect(.expired(file: "\(role).json", at: end, now: end), keeping: role, at: 1)
        let earlier = try await TUFClient(repository).update(at: end.addingTimeInterval(-1))
        #expect(earlier.trusted.targets?.version == 2)
    }

    @Test func `an old timestamp served for ever ends with its own expiration`() async throws {
        repository["timestamp"].expires = "2026-12-01T00:00:00Z"
        try repository.publish("timestamp")
        try await client.update()
        let later = SimulatedRepository.date("2026-12-01T00:00:01Z")
        let error = await #expect(throws: TUFError.self) { _ = try await client.update(at: later) }
        #expect(error?.code == "tuf.expired")
        // expired, it still protects: an older one is a rollback, a newer one is welcome
        repository["timestamp"].version = 1
        repository["timestamp"].expires = "2030-01-01T00:00:00Z"
        try repository.publish("timestamp", bumping: false)
        await #expect(throws: TUFError.rollback(file: "timestamp.json", trusted: 2, offered: 1)) {
            _ = try await client.update(at: later)
        }
        repository["timestamp"].version = 3
        try repository.publish("timestamp", bumping: false)
        #expect(try await client.update(at: later).trusted.timestamp?.version == 3)
    }

    // MARK: Mix and match

    @Test(arguments: ["snapshot", "targets"])
    func `a file that the role above does not speak of is refused`(_ role: String) async throws {
        repository.change {
            $0.statesDigests = true
            $0.statesLengths = false
        }
        try repository.publish("targets", "snapshot", "timestamp")
        // well signed, of the right version, and another file
        repository[role].overrides = ["x-note": .string("another state of the repository")]
        let (snapshot, timestamp) = repository.meta
        try repository.publish(role, bumping: false)
        repository.change {
            $0.snapshotMeta = snapshot; $0.timestampMeta = timestamp
        }
        if role == "targets" { try repository.publish("snapshot", "timestamp") }
        let error = await #expect(throws: TUFError.self) { try await client.update() }
        #expect(error?.code == "tuf.mixed")
        #expect(try await cache.metadata(of: role) == nil)
    }

    @Test(arguments: ["snapshot", "targets"])
    func `a file of another version than its name says is refused`(_ role: String) async throws {
        repository[role].overrides = ["version": .integer(7)]
        try repository.publish("targets", "snapshot", "timestamp")
        let error = await #expect(throws: TUFError.self) { try await client.update() }
        #expect(error?.code == "tuf.mixed")
    }

    @Test func `a role in the place of another is refused`() async throws {
        // signed by a key that both have
        let key = repository["timestamp"].keys[0]
        repository["snapshot"].keys = [key]
        repository.change { $0.snapshotMeta["snapshot.json"] = .object(["version": .integer(1)]) }
        try repository.publish("root", "snapshot")
        let snapshot = repository.file("snapshot.json")
        repository.change { $0.metadata["timestamp.json"] = snapshot }
        let error = await #expect(throws: TUFError.self) { try await client.update() }
        #expect(error?.observed.contains("of type \"snapshot\"") == true)
    }

    // MARK: Endless data, absent data

    @Test(arguments: [
        ("2.root.json", 512_000), ("timestamp.json", 16_384), ("1.snapshot.json", 2_000_000),
        ("1.targets.json", 5_000_000),
    ])
    func `a file without end is not read to its end`(_ name: String, _ limit: Int) async throws {
        repository.change { $0.metadata[name] = [UInt8](repeating: 0x20, count: limit + 1) }
        await #expect(throws: TUFError.tooLong(file: name, limit: limit)) { try await client.update() }
    }

    @Test func `a stated length is the limit`() async throws {
        repository.change { $0.statesDigests = true }
        try repository.publish("targets", "snapshot", "timestamp")
        let length = repository.file("2.snapshot.json").count
        repository.change { $0.metadata["2.snapshot.json", default: []].append(0x20) }
        await #expect(throws: TUFError.tooLong(file: "2.snapshot.json", limit: length)) { try await client.update() }
    }

    @Test(arguments: [
        ("timestamp", "snapshot.json", "2.snapshot.json", 2_000_000),
        ("snapshot", "targets.json", "2.targets.json", 5_000_000),
    ])
    func `a stated length beyond ours does not move ours`(
        _ role: String, _ named: String, _ file: String, _ limit: Int
    ) async throws {
        repository[role].overrides = [
            "meta": .object([named: .object(["version": .integer(2), "length": .integer(Int.max)])])
        ]
        try repository.publish("targets", "snapshot", "timestamp")
        await #expect(throws: TUFError.tooLong(file: file, limit: limit)) { try await client.update() }
    }

    @Test(arguments: ["timestamp.json", "1.snapshot.json", "1.targets.json"])
    func `a file that is not there is named`(_ name: String) async throws {
        repository.change { $0.metadata[name] = nil }
        await #expect(throws: TUFError.missing(file: name)) { try await client.update() }
    }

    // MARK: Signatures

    @Test(arguments: ["timestamp", "snapshot", "targets"])
    func `a role below its threshold is refused, those above it are kept`(_ role: String) async throws {
        repository[role].signers = []
        try repository.publish("targets", "snapshot", "timestamp")
        let file = role == "timestamp" ? "timestamp.json" : "\(role).json"
        await #expect(throws: TUFError.unsigned(file: file, valid: 0, threshold: 1)) { try await client.update() }
        #expect(try await cache.metadata(of: role) == nil)
        #expect((try await cache.metadata(of: "timestamp") != nil) == (role != "timestamp"))
    }

    @Test func `unknown members are part of what is signed`() async throws {
        repository["timestamp"].overrides = [
            "x-more": .object(["é\n\"\\": .array([.integer(-1), .null, .bool(true)])])
        ]
        try repository.publish("timestamp")
        #expect(try await client.update().trusted.timestamp?.version == 2)
        let text = String(decoding: repository.file("timestamp.json"), as: UTF8.self)
        repository.change { $0.metadata["timestamp.json"] = Array(text.replacing("[-1,", with: "[-2,").utf8) }
        await #expect(throws: TUFError.unsigned(file: "timestamp.json", valid: 0, threshold: 1)) {
            try await TUFClient(repository).update()
        }
    }
}

extension SimulatedRepository {
    /// What snapshot and timestamp say at the moment.
    var meta: (snapshot: [String: JSONValue], timestamp: [String: JSONValue]) {
        var found: ([String: JSONValue], [String: JSONValue]) = ([:], [:])
        change { found = ($0.snapshotMeta, $0.timestampMeta) }
        return found
    }
}
