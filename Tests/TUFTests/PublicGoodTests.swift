import FoundationEssentials
import Testing

@testable import TUF

/// The metadata of Sigstore's own repository: what clients meet in the wild.
@Suite struct PublicGoodTests {
    private static let then = SimulatedRepository.date("2025-02-09T12:02:08Z")

    /// The fixtures as a repository.
    private struct Recorded: TUFRepository {
        static func bytes(_ name: String) -> [UInt8]? {
            let folder = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "Fixtures/sigstore-root-signing").path
            return FileManager.default.contents(atPath: "\(folder)/\(name)").map { [UInt8]($0) }
        }

        func metadata(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? { Self.bytes(name) }
        func target(_ path: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? { Self.bytes(path) }
    }

    @Test(arguments: [5, 8, 9, 11, 12])
    func `each of its roots leads to the trusted root of that day`(_ pinned: Int) async throws {
        let client = TUFClient(
            pinnedRoot: try #require(Recorded.bytes("\(pinned).root.json")), repository: Recorded(),
            cache: TUFMemoryCache())
        let session = try await client.update(at: Self.then)
        #expect(session.trusted.root.version == 12)
        #expect(session.trusted.snapshot?.version == 159)
        let root = try await session.target("trusted_root.json")
        #expect(String(decoding: root, as: UTF8.self).contains("rekor.sigstore.dev"))
        await #expect(throws: TUFError.noTarget(path: "signing_config.v0.2.json")) {
            try await session.target("signing_config.v0.2.json")
        }
    }

    @Test func `the same metadata is worth nothing a week later`() async throws {
        let client = TUFClient(
            pinnedRoot: try #require(Recorded.bytes("12.root.json")), repository: Recorded(), cache: TUFMemoryCache())
        let error = await #expect(throws: TUFError.self) {
            _ = try await client.update(at: Self.then.addingTimeInterval(8 * 86400))
        }
        #expect(error?.code == "tuf.expired")
    }
}
