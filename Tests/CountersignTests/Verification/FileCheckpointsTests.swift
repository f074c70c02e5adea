import FoundationEssentials
import Sigstore
import Support
import Testing

@testable import Countersign

@Suite struct FileCheckpointsTests {
    private static func checkpoint(_ size: UInt64, root: UInt8 = 1, origin: String = "log.example") throws -> Checkpoint
    {
        try Checkpoint(
            note: Checkpoint.note(
                text: Checkpoint.text(origin: origin, size: size, rootHash: Array(repeating: root, count: 32)),
                name: "log.example", keyHint: [1, 2, 3, 4], signature: [9]))
    }

    @Test func `what was proven is remembered from one run to the next`() async throws {
        let folder = try TemporaryDirectory()
        let first = FileCheckpoints(folder: folder.path + "/logs")
        #expect(try await first.proven(origin: "log.example") == nil)
        #expect(try await first.record(Self.checkpoint(5)) == nil)
        #expect(try await first.pending(origin: "log.example", limit: 9).map(\.size) == [5])
        try await first.prove([Self.checkpoint(5)])

        let next = FileCheckpoints(folder: folder.path + "/logs")
        #expect(try await next.proven(origin: "log.example")?.size == 5)
        #expect(try await next.pending(origin: "log.example", limit: 9).isEmpty)
        #expect(try await next.proven(origin: "other.example") == nil)
        // a smaller one proves nothing new
        try await next.prove([Self.checkpoint(3)])
        #expect(try await next.proven(origin: "log.example")?.size == 5)
    }

    @Test func `two roots of one size cannot both be true`() async throws {
        let folder = try TemporaryDirectory()
        let store = FileCheckpoints(folder: folder.path)
        #expect(try await store.record(Self.checkpoint(5)) == nil)
        #expect(try await store.record(Self.checkpoint(5)) == nil)
        #expect(try await store.record(Self.checkpoint(5, root: 2)) == Self.checkpoint(5))
        try await store.prove([Self.checkpoint(5)])
        #expect(try await store.record(Self.checkpoint(5, root: 2)) == Self.checkpoint(5))
    }

    @Test func `what cannot be read is neither forgotten nor believed`() async throws {
        let folder = try TemporaryDirectory()
        let store = FileCheckpoints(folder: folder.path)
        #expect(try await store.record(Self.checkpoint(5)) == nil)
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).first)
        try folder.write("{", to: file)
        await #expect(throws: LogStateError.self) { try await store.proven(origin: "log.example") }
        await #expect(throws: LogStateError.self) { try await store.record(Self.checkpoint(6)) }
    }

    @Test func `its folder is the user's state folder`() {
        #expect(FileCheckpoints.defaultFolder(["XDG_STATE_HOME": "/s", "HOME": "/h"]) == "/s/countersign/logs")
        #expect(FileCheckpoints.defaultFolder(["HOME": "/h"]) == "/h/.local/state/countersign/logs")
        #expect(
            FileCheckpoints.defaultFolder(["XDG_STATE_HOME": "", "HOME": "/h"]) == "/h/.local/state/countersign/logs")
    }
}
