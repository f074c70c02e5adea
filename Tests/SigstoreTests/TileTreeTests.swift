import OpenSSL
import Synchronization
import Testing

@testable import Sigstore

/// Tiles of a tree in memory, some of which may be gone or altered.
final class MemoryTiles: TileSource {
    let leaves: [[UInt8]]
    let alter: @Sendable (TilePath, [UInt8]) -> [UInt8]
    private let seen = Mutex<[TilePath]>([])

    var asked: [TilePath] { seen.withLock { $0 } }

    init(_ leaves: [[UInt8]], alter: @escaping @Sendable (TilePath, [UInt8]) -> [UInt8] = { $1 }) {
        self.leaves = leaves
        self.alter = alter
    }

    func tile(_ path: TilePath) async throws(SigstoreError) -> [UInt8] {
        seen.withLock { $0.append(path) }
        guard case .hashes(let level) = path.kind else { throw .unsupported("entries") }
        let span = 1 << (8 * level)
        let start = Int(path.index) * 256 * span
        let hashes = (0..<path.width).flatMap { position in
            Merkle.merkleTreeHash(leaves[(start + position * span)..<(start + (position + 1) * span)])
        }
        return alter(path, hashes)
    }

    func tree(_ size: Int, cache: TileCache = TileCache()) -> TileTree {
        TileTree(size: UInt64(size), root: Merkle.merkleTreeHash(leaves.prefix(size)), source: self, cache: cache)
    }
}

@Suite struct TileTreeTests {
    static let leaves = (0..<70_000).map {
        Merkle.leafHash([UInt8($0 & 0xFF), UInt8($0 >> 8 & 0xFF), UInt8($0 >> 16)])
    }
    static let sizes = [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 66_000, 70_000]
    let tiles = MemoryTiles(leaves)

    @Test(arguments: sizes)
    func `inclusion proofs made of tiles are those of the tree`(size: Int) async throws {
        let tree = tiles.tree(size)
        let root = Merkle.merkleTreeHash(Self.leaves.prefix(size))
        for index in Set([0, 1, size / 3, size / 2, size - 2, size - 1, 255, 256]) where (0..<size).contains(index) {
            let path = try await tree.inclusionProof(of: UInt64(index))
            try Merkle.verifyInclusion(
                leafHash: Self.leaves[index], index: UInt64(index), size: UInt64(size), path: path, root: root)
            if size <= 1000 { #expect(path == Merkle.auditPath(index, Self.leaves.prefix(size))) }
            #expect(try await tree.leafHash(UInt64(index)) == Self.leaves[index])
        }
        await #expect(throws: SigstoreError.self) { try await tree.leafHash(UInt64(size)) }
        await #expect(throws: SigstoreError.self) { try await tree.inclusionProof(of: UInt64(size)) }
    }

    @Test(arguments: sizes)
    func `consistency proofs made of tiles are those of the tree`(size: Int) async throws {
        let tree = tiles.tree(size)
        for first in Set([0, 1, 2, 3, 255, 256, 257, size / 2, size - 1, size, 65_536]) where (0...size).contains(first)
        {
            let proof = try await tree.consistencyProof(from: UInt64(first))
            if size <= 1000 { #expect(proof == Merkle.consistencyProof(first, Self.leaves.prefix(size)), "\(first)") }
            try Merkle.verifyConsistency(
                first: UInt64(first), firstRoot: Merkle.merkleTreeHash(Self.leaves.prefix(first)),
                second: UInt64(size), secondRoot: tree.root, proof: proof)
            #expect(try await tree.root(at: UInt64(first)) == Merkle.merkleTreeHash(Self.leaves.prefix(first)))
        }
        await #expect(throws: SigstoreError.self) { try await tree.consistencyProof(from: UInt64(size) + 1) }
    }

    @Test func `an altered tile is refused, wherever it lies and whatever is asked`() async throws {
        for level in 0...2 {
            for full in [true, false] {
                let bad = MemoryTiles(Self.leaves) { path, hashes in
                    guard path.kind == .hashes(level: level), path.isFull == full else { return hashes }
                    var altered = hashes
                    altered[altered.count - 1] ^= 1
                    return altered
                }
                // no tile of level 2 is full below 2^24 leaves
                guard level < 2 || !full else { continue }
                let tree = bad.tree(70_000)
                let index: UInt64 = full ? 5 : 69_999
                let error = await #expect(throws: SigstoreError.self) { try await tree.inclusionProof(of: index) }
                #expect(error?.code == "rekor.bad_answer", "\(level) \(full)")
            }
        }
        let short = MemoryTiles(Self.leaves) { Array($1.dropLast(32)) + ($0.isFull ? [] : []) }
        await #expect(throws: SigstoreError.self) { try await short.tree(300).leafHash(0) }
    }

    @Test func `a full tile is fetched once, and never kept when it does not fit`() async throws {
        let cache = TileCache()
        let tree = tiles.tree(70_000, cache: cache)
        _ = try await tree.inclusionProof(of: 5)
        let asked = tiles.asked.count
        _ = try await tree.inclusionProof(of: 5)
        #expect(tiles.asked.count == asked)
        // the next tree shares the full tiles and reads only its own edge
        _ = try await tiles.tree(69_999, cache: cache).inclusionProof(of: 5)
        #expect(tiles.asked.dropFirst(asked).allSatisfy { !$0.isFull })

        let bad = MemoryTiles(Self.leaves) { $0.isFull ? [UInt8](repeating: 7, count: 8192) : $1 }
        let empty = TileCache()
        await #expect(throws: SigstoreError.self) { try await bad.tree(300, cache: empty).leafHash(0) }
        #expect(empty.count == 0)
    }

    @Test func `the cache keeps to its bound`() {
        let cache = TileCache(capacity: 8)
        for index in 0..<100 {
            cache.remember(TileCache.Tile(hashes: [], root: []), at: TileCache.Place(level: 0, index: UInt64(index)))
        }
        #expect(cache.count <= 8)
        #expect(cache.tile(TileCache.Place(level: 0, index: 99)) != nil)
    }

    @Test func `an empty tree has the root of nothing and no leaves`() async throws {
        let tree = TileTree(size: 0, root: Hash.sha256([UInt8]()), source: tiles)
        #expect(try await tree.root(at: 0) == tree.root)
        await #expect(throws: SigstoreError.self) { try await tree.inclusionProof(of: 0) }
    }
}

@Suite struct TilePathTests {
    @Test(arguments: [
        (0, 256, "tile/0/000"), (5, 256, "tile/0/005"), (999, 256, "tile/0/999"), (1000, 256, "tile/0/x001/000"),
        (1_234_067, 256, "tile/0/x001/x234/067"), (1_234_067, 3, "tile/0/x001/x234/067.p/3"), (0, 1, "tile/0/000.p/1"),
    ])
    func `a tile's path`(index: Int, width: Int, text: String) {
        #expect(TilePath(kind: .hashes(level: 0), index: UInt64(index), width: width).text == text)
        let entries = TilePath(kind: .entries, index: UInt64(index), width: width).text
        #expect(entries == text.replacing("tile/0/", with: "tile/entries/"))
    }

    @Test func `entries of a bundle are read, and only whole ones`() throws {
        #expect(try TilePath.entries(in: [0, 1, 7, 0, 0, 0, 2, 8, 9], atLeast: 3) == [[7], [], [8, 9]])
        #expect(try TilePath.entries(in: [], atLeast: 0).isEmpty)
        let bad: [[UInt8]] = [[0], [0, 1], [0, 2, 1], [0, 1, 7, 0], [0, 1, 7]]
        for bundle in bad {
            #expect(throws: SigstoreError.self) { try TilePath.entries(in: bundle, atLeast: 2) }
        }
        #expect(throws: SigstoreError.self) {
            try TilePath.entries(in: [UInt8](repeating: 0, count: 2 * 257), atLeast: 256)
        }
    }
}
