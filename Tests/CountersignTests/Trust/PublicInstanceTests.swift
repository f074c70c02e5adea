import FoundationEssentials
import Support
import TUF
import Testing

@testable import Countersign

@Suite struct PublicInstanceTests {
    /// Metadata of the public good instance, as it was served in February 2025.
    static let recorded = packageRoot + "/Tests/TUFTests/Fixtures/sigstore-root-signing"

    /// A repository of those files, or one that has nothing.
    private struct Files: TUFRepository {
        let folder: String?
        func metadata(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? { read(name) }
        func target(_ path: String, atMost limit: Int) async throws(TUFError) -> [UInt8]? { read(path) }
        private func read(_ name: String) -> [UInt8]? {
            folder.flatMap { FileManager.default.contents(atPath: "\($0)/\(name)") }.map { [UInt8]($0) }
        }
    }

    private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    @Test func `the root of the public good instance leads to its trusted root`() async throws {
        let root = PublicInstance.publicGood.root
        #expect(FileManager.default.contents(atPath: Self.recorded + "/12.root.json").map { [UInt8]($0) } == root)
        let client = TUFClient(pinnedRoot: root, repository: Files(folder: Self.recorded), cache: TUFMemoryCache())
        let session = try await client.update(at: date("2025-02-09T12:02:08Z"))
        let trusted = String(decoding: try await session.target("trusted_root.json"), as: UTF8.self)
        #expect(trusted.contains("https://rekor.sigstore.dev"))
    }

    @Test(arguments: PublicInstance.allCases)
    func `each root is signed by its own keys, and nobody else's metadata follows from it`(
        _ instance: PublicInstance
    ) async throws {
        let now = try date("2025-02-09T12:02:08Z")
        let alone = TUFClient(pinnedRoot: instance.root, repository: Files(folder: nil), cache: TUFMemoryCache())
        let missing = await #expect(throws: TUFError.self) { try await alone.update(at: now) }
        #expect(missing?.code == "tuf.missing")
        guard instance != .publicGood else { return }
        let other = TUFClient(
            pinnedRoot: instance.root, repository: Files(folder: Self.recorded), cache: TUFMemoryCache())
        let refused = await #expect(throws: TUFError.self) { try await other.update(at: now) }
        #expect(refused?.code == "tuf.signature")
    }
}
