import FoundationEssentials
import StrictJSON
import Testing

@testable import TUF

/// 5.3 Update the root role: who may sign, in which order, and how many of them.
@Suite struct RootTests {
    @Test func `an update follows every root and asks for nothing twice`() async throws {
        let repository = try SimulatedRepository()
        let client = TUFClient(repository)
        try await client.update()
        #expect(repository.requests == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
        try repository.publish("root", "root")
        let session = try await client.update()
        #expect(session.trusted.root.version == 3)
        #expect(repository.requests.dropFirst(4) == ["2.root.json", "3.root.json", "4.root.json", "timestamp.json"])
    }

    @Test(arguments: SimulatedKey.Kind.allCases)
    func `every kind of key of the specification signs`(_ kind: SimulatedKey.Kind) async throws {
        let repository = try SimulatedRepository()
        let key = try SimulatedKey(kind)
        repository["root"].keys.append(key)
        repository["root"].threshold = 2
        try repository.publish("root")
        #expect(try await TUFClient(repository).update().trusted.root.version == 2)

        // and a signature that is not its own counts for nothing
        let other = try SimulatedKey(kind)
        repository["root"].signers = [repository["root"].keys[0], other.renamed(key.id)]
        try repository.publish("root")
        await #expect(throws: TUFError.unsigned(file: "3.root.json", valid: 1, threshold: 2)) {
            try await TUFClient(repository).update()
        }
    }

    @Test func `a root is signed by a threshold of the old and of the new keys`() async throws {
        for (old, new, expected) in [
            (true, true, nil), (false, true, TUFError.unsigned(file: "2.root.json", valid: 0, threshold: 1)),
            (true, false, .unsigned(file: "2.root.json", valid: 0, threshold: 1)),
        ] {
            let repository = try SimulatedRepository()
            let (first, second) = (repository["root"].keys[0], try SimulatedKey())
            repository["root"].keys = [second]
            repository["root"].signers = (old ? [first] : []) + (new ? [second] : [])
            try repository.publish("root")
            let client = TUFClient(repository)
            if let expected {
                await #expect(throws: expected) { try await client.update() }
            } else {
                #expect(try await client.update().trusted.root.version == 2)
            }
        }
    }

    @Test func `a key counts once, under whatever names and however often it signs`() async throws {
        let key = try SimulatedKey()
        for keys in [[key, key.renamed("another")], [key, key.renamed("another"), key.renamed("third")]] {
            let repository = try SimulatedRepository()
            repository["timestamp"].keys = keys
            repository["timestamp"].threshold = 2
            try repository.publish("root", "timestamp")
            await #expect(throws: TUFError.unsigned(file: "timestamp.json", valid: 1, threshold: 2)) {
                try await TUFClient(repository).update()
            }
        }
    }

    @Test func `a key id that is listed twice, or signs twice, is refused`() async throws {
        let repository = try SimulatedRepository()
        let key = repository["snapshot"].keys[0]
        repository["snapshot"].signers = [key, key]
        try repository.publish("snapshot", "timestamp")
        let twice = await #expect(throws: TUFError.self) { try await TUFClient(repository).update() }
        #expect(twice?.observed.contains("a second signature of one key id") == true)

        let other = try SimulatedRepository()
        let known = other["snapshot"].keys[0]
        other["snapshot"].keys = [known, known]
        try other.publish("root")
        let listed = await #expect(throws: TUFError.self) { try await TUFClient(other).update() }
        #expect(listed?.code == "tuf.malformed" && listed?.observed.contains("listed twice") == true)
    }

    @Test func `a wrong signature spoils no right ones`() async throws {
        let repository = try SimulatedRepository()
        let (right, wrong) = (repository["timestamp"].keys[0], try SimulatedKey())
        let stranger = try SimulatedKey()
        repository["timestamp"].keys = [right, wrong]
        repository["timestamp"].signers = [stranger, stranger.renamed(wrong.id), right]
        try repository.publish("root", "timestamp")
        #expect(try await TUFClient(repository).update().trusted.timestamp?.version == 2)
    }

    @Test func `a version that is not the next one is refused`() async throws {
        for offered in [1, 3] {
            let repository = try SimulatedRepository()
            repository["root"].overrides = ["version": .integer(offered)]
            try repository.publish("root")
            await #expect(throws: TUFError.rollback(file: "2.root.json", trusted: 1, offered: Int64(offered))) {
                try await TUFClient(repository).update()
            }
        }
    }

    @Test func `an expired root is good for finding its successor, and for nothing else`() async throws {
        let repository = try SimulatedRepository()
        repository["root"].expires = "2020-01-01T00:00:00Z"
        try repository.publish("root")
        let cache = TUFMemoryCache()
        let error = await #expect(throws: TUFError.self) { try await TUFClient(repository, cache: cache).update() }
        #expect(error?.code == "tuf.expired")
        #expect(try await cache.root(version: 2) != nil, "5.3.8 before 5.3.10")
        repository["root"].expires = "2030-01-01T00:00:00Z"
        try repository.publish("root")
        #expect(try await TUFClient(repository, cache: cache).update().trusted.root.version == 3)
    }

    @Test func `a pinned root that does not sign itself is no root`() async throws {
        let repository = try SimulatedRepository()
        let stranger = try SimulatedKey()
        repository["root"].signers = [stranger]
        try repository.publish("root", bumping: false)
        await #expect(throws: TUFError.unsigned(file: "root.json", valid: 0, threshold: 1)) {
            try await TUFClient(repository).update()
        }
        #expect(repository.requests.isEmpty)
    }

    @Test func `no more roots are followed in one update than the limit, and the next goes on`() async throws {
        let repository = try SimulatedRepository()
        try repository.publish("root", "root", "root", "root")
        var limits = TUFLimits()
        limits.rootUpdates = 3
        let client = TUFClient(repository, limits: limits)
        #expect(try await client.update().trusted.root.version == 4)
        #expect(try await client.update().trusted.root.version == 5)
    }

    @Test func `a cached root is believed only as far as its predecessor vouches for it`() async throws {
        let repository = try SimulatedRepository()
        try repository.publish("root")
        let cache = TUFMemoryCache()
        try await TUFClient(repository, cache: cache).update()
        // whoever can write to the cache puts roots of his own into it
        let attacker = try SimulatedRepository()
        try attacker.publish("root", "root")
        try await cache.storeRoot(attacker.file("3.root.json"), version: 3)
        try await cache.storeRoot(attacker.file("2.root.json"), version: 2)
        try await cache.store(attacker.file("timestamp.json"), of: "timestamp", version: 1, under: 3)
        let session = try await TUFClient(repository, cache: cache).update()
        #expect(session.trusted.root.version == 2)
        #expect(session.trusted.root.timestamp.keyIDs == repository["timestamp"].keys.map(\.id))
        #expect(try await cache.root(version: 2) == repository.file("2.root.json"))
        await #expect(throws: TUFError.self) {
            try await cache.storeRoot(attacker.file("2.root.json"), version: 2)
            try await cache.store(attacker.file("timestamp.json"), of: "timestamp", version: 9, under: 9)
            _ = try await TUFClient(repository, cache: cache).cached(at: SimulatedRepository.now)
        }
    }
}
