import Curl
import FoundationEssentials
import TUF
import Testing

@testable import SigstoreLab

/// The lab's TUF repository, as the project's own TUF client sees it.
@Suite struct MetadataRepositoryTests {
    @Test func `a client that pins the first root gets the trusted root of the moment, over every rotation`()
        async throws
    {
        try await Pinned.run { lab, pinned in
            #expect(try await pinned.trustedRoot() == (try await lab.trustedRootJSON))
            for change in [RepositoryChange.rotateRoot, .rotateKeys, .rotateRoot] { try await lab.change(change) }
            try await lab.rotate(.tsa)
            #expect(try await pinned.trustedRoot() == (try await lab.trustedRootJSON))
            let late = Pinned(pinned.root, pinned.url, pinned.client)  // pins version 1, has seen nothing
            #expect(try await late.update().trusted.root.version == 4)
            #expect(try await late.update().target("signing_config.v0.2.json") == (try await lab.signingConfigJSON))
        }
    }

    @Test(arguments: ["timestamp", "snapshot", "targets", "root"])
    func `an expired role is refused, and taken again when it is renewed`(role: String) async throws {
        try await Pinned.run { lab, pinned in
            _ = try await pinned.update()
            try await lab.change(.expire([role]))
            let error = await #expect(throws: TUFError.self) { _ = try await pinned.trustedRoot() }
            #expect(error?.code == "tuf.expired")
            try await lab.change(.expire([]))
            #expect(try await pinned.trustedRoot() == (try await lab.trustedRootJSON))
        }
    }

    @Test func `a timestamp shown again is a rollback for who has seen the newer`() async throws {
        try await Pinned.run { lab, pinned in
            try await lab.change(.republish)
            _ = try await pinned.update()
            try await lab.change(.rollBack)
            let error = await #expect(throws: TUFError.self) { _ = try await pinned.update() }
            #expect(error?.code == "tuf.rollback")
        }
    }

    @Test func `a restart continues the versions`() async throws {
        try await RunningLab.withFolder { folder in
            let first = try await RunningLab.run(in: folder) { lab, endpoints, client in
                try await lab.change(.rotateRoot)
                return (try await lab.tufRootJSON, try await client.get("\(endpoints.tuf)/timestamp.json").body)
            }
            try await RunningLab.run(in: folder) { lab, endpoints, client in
                #expect(try await lab.tufRootJSON == first.0)
                let session = try await Pinned(first.0, endpoints.tuf, client).update()
                #expect(session.trusted.root.version == 2)
                #expect(try await client.get("\(endpoints.tuf)/timestamp.json").body != first.1)
            }
        }
    }

    @Test(arguments: ["../keys/rekor.key.pem", "counters.json", "targets/../../token", "", "targets", "2.root.json"])
    func `nothing but the repository's files is served`(path: String) async throws {
        try await RunningLab.withFolder { folder in
            try AtomicFile.makeFolder(folder)
            let store = try KeyStore(folder: folder)
            let repository = try MetadataRepository(folder: "\(folder)/tuf", store: store)
            try await repository.publish(["a": [1]])
            #expect(try await repository.file("1.root.json") != nil)
            #expect(try await repository.file(path) == nil)
        }
    }

    @Test func `signed bytes escape quotation marks and backslashes only, files everything that JSON must`() {
        let value = MetadataValue.object(["b": .text("a\"\\\n\u{1}é"), "a": .list([.number(-1), .flag(true)])])
        #expect(String(decoding: value.canonical, as: UTF8.self) == "{\"a\":[-1,true],\"b\":\"a\\\"\\\\\n\u{1}é\"}")
        #expect(String(decoding: value.json, as: UTF8.self) == #"{"a":[-1,true],"b":"a\"\\\n\u0001é"}"#)
    }
}

/// A TUF client that was given the repository's first root.
private final class Pinned: Sendable {
    let root: [UInt8]
    let url: String
    let client: HTTPClient
    private let tuf: TUFClient
    private let folder: String

    init(_ root: [UInt8], _ url: String, _ client: HTTPClient) {
        (self.root, self.url, self.client) = (root, url, client)
        folder = "\(FileManager.default.temporaryDirectory.path)/tuf-\(UUID().uuidString)"
        tuf = TUFClient(
            pinnedRoot: root,
            repository: TUFHTTPRepository(
                metadataURL: url, targetsURL: "\(url)/targets", http: client, route: RunningLab.route),
            cache: TUFCacheDirectory(folder))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    static func run(_ body: @escaping @Sendable (Lab, Pinned) async throws -> Void) async throws {
        try await RunningLab.run { lab, endpoints, client in
            try await body(lab, Pinned(try await lab.tufRootJSON, endpoints.tuf, client))
        }
    }

    func update() async throws -> TUFSession { try await tuf.update() }

    func trustedRoot() async throws -> [UInt8] { try await update().target("trusted_root.json") }
}
