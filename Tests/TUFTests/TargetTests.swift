import FoundationEssentials
import StrictJSON
import Support
import Testing

@testable import TUF

/// 5.7 Fetch target, offline use, and the caches.
@Suite struct TargetTests {
    private let repository: SimulatedRepository

    init() throws {
        repository = try SimulatedRepository()
        repository.addTarget("dir/file name", "content")
        try repository.publish("targets", "snapshot", "timestamp")
    }

    @Test(arguments: [true, false])
    func `file names carry versions and digests in consistent snapshots only`(_ isConsistent: Bool) async throws {
        repository.change { $0.isConsistent = isConsistent }
        try repository.publish("root")
        let session = try await TUFClient(repository).update()
        #expect(try await session.target("dir/file name") == Array("content".utf8))
        let names = repository.requests.suffix(3)
        if isConsistent {
            #expect(names.dropLast() == ["2.snapshot.json", "2.targets.json"])
            #expect(names.last?.hasPrefix("dir/ed7002b439e9ac84") == true)
        } else {
            #expect(names == ["snapshot.json", "targets.json", "dir/file%20name"])
        }
    }

    @Test(arguments: [("CONTENT", "another sha256"), ("content!", "8 bytes instead of 7"), ("", "0 bytes")])
    func `other content is refused and not kept`(_ content: String, _ reason: String) async throws {
        repository.change { state in for key in state.targets.keys { state.targets[key] = Array(content.utf8) } }
        let cache = TUFMemoryCache()
        let session = try await TUFClient(repository, cache: cache).update()
        let error = await #expect(throws: TUFError.self) { try await session.target("dir/file name") }
        #expect(error?.code == "tuf.wrong_target" && error?.observed.contains(reason) == true)
        #expect(try await cache.target("dir/file name") == nil)
    }

    @Test func `a target that nobody vouches for is none, nor is one of unknown digests or beyond the limit`()
        async throws
    {
        let target = { (hashes: JSONValue, length: Int) in
            JSONValue.object(["hashes": hashes, "length": .integer(length)])
        }
        repository["targets"].targets["unknown"] = target(.object(["md5": .string("00")]), 1)
        repository["targets"].targets["huge"] = target(
            .object(["sha256": .string(String(repeating: "0", count: 64))]), 1 << 40)
        try repository.publish("targets", "snapshot", "timestamp")
        let session = try await TUFClient(repository).update()
        await #expect(throws: TUFError.noTarget(path: "none")) { try await session.target("none") }
        let unknown = await #expect(throws: TUFError.self) { try await session.target("unknown") }
        #expect(unknown?.code == "tuf.wrong_target")
        let huge = await #expect(throws: TUFError.self) { try await session.target("huge") }
        #expect(huge?.code == "tuf.too_long")
    }

    @Test func `a target is fetched once, and again when the cached one is not it`() async throws {
        let cache = TUFMemoryCache()
        let client = TUFClient(repository, cache: cache)
        _ = try await client.update().target("dir/file name")
        let requests = repository.requests.count
        _ = try await client.update().target("dir/file name")
        #expect(repository.requests.count == requests + 2, "root and timestamp only")
        try await cache.storeTarget([1, 2, 3], path: "dir/file name")
        #expect(try await client.update().target("dir/file name") == Array("content".utf8))
    }

    // MARK: Offline

    @Test func `the cache serves without the repository until it expires, and then only who says so`() async throws {
        let cache = TUFMemoryCache()
        let client = TUFClient(repository, cache: cache)
        await #expect(throws: TUFError.notCached(file: "timestamp.json")) {
            _ = try await client.cached(at: SimulatedRepository.now)
        }
        _ = try await client.update().target("dir/file name")
        let requests = repository.requests
        let session = try await client.cached(at: SimulatedRepository.now)
        #expect(session.isOffline)
        #expect(try await session.target("dir/file name") == Array("content".utf8))

        let later = SimulatedRepository.date("2031-01-01T00:00:00Z")
        let error = await #expect(throws: TUFError.self) { _ = try await client.cached(at: later) }
        #expect(error?.code == "tuf.expired")
        let old = try await client.cached(at: later, acceptsExpired: true)
        #expect(try await old.target("dir/file name") == Array("content".utf8))
        #expect(repository.requests == requests)
    }

    @Test func `a half finished update is told apart from a whole one`() async throws {
        let cache = TUFMemoryCache()
        let client = TUFClient(repository, cache: cache)
        try await client.update()
        try repository.publish("targets", "snapshot", "timestamp")
        repository.change { $0.metadata["3.snapshot.json"] = nil }
        await #expect(throws: TUFError.missing(file: "3.snapshot.json")) { try await client.update() }
        let error = await #expect(throws: TUFError.self) { _ = try await client.cached(at: SimulatedRepository.now) }
        #expect(error?.code == "tuf.mixed")
    }

    // MARK: Caches

    @Test func `a folder keeps what was received, byte for byte, and no name leaves it`() async throws {
        let folder = try TemporaryDirectory()
        let cache = TUFCacheDirectory(folder.path + "/trusted")
        try repository.delegate("targets", to: [.init("../../up", "..*")])
        repository.addTarget("../escape", "from above", to: "../../up")
        repository.addTarget("..", "dots")
        try repository.publish("../../up", "targets", "snapshot", "timestamp")
        repository.change { $0.metadata["timestamp.json", default: []].append(0x20) }
        let session = try await TUFClient(repository, cache: cache).update()
        #expect(try await session.target("..") == Array("dots".utf8))
        #expect(try await cache.metadata(of: "timestamp") == repository.file("timestamp.json"))
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(files == ["trusted"])
        let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/trusted").sorted()
        #expect(kept == [".lock", "root.json", "snapshot.json", "targets", "targets.json", "timestamp.json"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/trusted/targets") == ["%2E."])
        #expect(
            try await TUFClient(repository, cache: cache).cached(at: SimulatedRepository.now).trusted.targets != nil)
    }

    @Test func `two updates in one folder take turns`() async throws {
        let folder = try TemporaryDirectory()
        let (first, second) = (TUFCacheDirectory(folder.path), TUFCacheDirectory(folder.path))
        let (entered, leave) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        async let one: Void = first.exclusively { () async throws(TUFError) in
            entered.continuation.finish()
            for await _ in leave.stream {}
        }
        for await _ in entered.stream {}
        let order = Order()
        async let two: Void = second.exclusively { () async throws(TUFError) in await order.add("second") }
        await order.add("first")
        leave.continuation.finish()
        _ = try await (one, two)
        #expect(await order.names == ["first", "second"])
    }

    private actor Order {
        var names: [String] = []
        func add(_ name: String) { names.append(name) }
    }
}
