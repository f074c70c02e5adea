import OpenSSL
import Synchronization

/// The Merkle tree under one checkpoint, read from tiles. Every tile is checked before it is used: those of the right edge
/// together against the root, full ones against their hash in the tile above, up to the edge.
final class TileTree: Sendable {
    let size: UInt64
    let root: [UInt8]
    private let source: any TileSource
    private let cache: TileCache
    /// The partial tiles, by level, once they are known to make the root.
    private let edge = Mutex<[Int: [UInt8]]?>(nil)

    /// A tile spans this many levels of the tree.
    private static let height = 8
    /// 2^63 leaves need no more.
    private static let levels = 8

    init(size: UInt64, root: [UInt8], source: any TileSource, cache: TileCache = TileCache()) {
        self.size = size
        self.root = root
        self.source = source
        self.cache = cache
    }

    /// The hash of a leaf.
    func leafHash(_ index: UInt64) async throws(SigstoreError) -> [UInt8] {
        guard index < size else { throw Self.outOfRange(index, size) }
        return try await hash(of: index..<index + 1)
    }

    /// `PATH(index, D[size])` of RFC 6962 §2.1.1.
    func inclusionProof(of index: UInt64) async throws(SigstoreError) -> [[UInt8]] {
        guard index < size else { throw Self.outOfRange(index, size) }
        var (path, low, high): ([[UInt8]], UInt64, UInt64) = ([], 0, size)
        while high - low > 1 {
            let middle = low + Self.split(high - low)
            if index < middle {
                path.append(try await hash(of: middle..<high))
                high = middle
            } else {
                path.append(try await hash(of: low..<middle))
                low = middle
            }
        }
        // from the leaf upwards
        return path.reversed()
    }

    /// `PROOF(first, D[size])` of RFC 6962 §2.1.2.
    func consistencyProof(from first: UInt64) async throws(SigstoreError) -> [[UInt8]] {
        guard first <= size else { throw Self.outOfRange(first, size) }
        guard first > 0, first < size else { return [] }
        var (proof, low, high, complete): ([[UInt8]], UInt64, UInt64, Bool) = ([], 0, size, true)
        while first != high {
            let middle = low + Self.split(high - low)
            if first <= middle {
                proof.append(try await hash(of: middle..<high))
                high = middle
            } else {
                proof.append(try await hash(of: low..<middle))
                (low, complete) = (middle, false)
            }
        }
        if !complete { proof.append(try await hash(of: low..<high)) }
        return proof.reversed()
    }

    /// The root of the tree when it had `size` leaves.
    func root(at size: UInt64) async throws(SigstoreError) -> [UInt8] {
        guard size <= self.size else { throw Self.outOfRange(size, self.size) }
        return size == 0 ? Hash.sha256([UInt8]()) : try await hash(of: 0..<size)
    }

    private static func outOfRange(_ index: UInt64, _ size: UInt64) -> SigstoreError {
        .malformed("tile tree", "\(index) is outside a tree of \(size)")
    }

    /// The largest power of two below `count`.
    private static func split(_ count: UInt64) -> UInt64 { 1 << UInt64(63 - (count - 1).leadingZeroBitCount) }
}

// MARK: - Nodes

extension TileTree {
    /// `MTH` of the leaves in a range that begins where a subtree of its size may begin.
    private func hash(of range: Range<UInt64>) async throws(SigstoreError) -> [UInt8] {
        let count = range.upperBound - range.lowerBound
        if count & (count - 1) == 0 {
            let height = count.trailingZeroBitCount
            return try await node(height: height, index: range.lowerBound >> UInt64(height))
        }
        let middle = range.lowerBound + Self.split(count)
        let left = try await hash(of: range.lowerBound..<middle)
        return Merkle.nodeHash(left, try await hash(of: middle..<range.upperBound))
    }

    /// The root of a complete subtree, from the tile that holds its leaves or their ancestors.
    private func node(height: Int, index: UInt64) async throws(SigstoreError) -> [UInt8] {
        let (level, above) = height.quotientAndRemainder(dividingBy: Self.height)
        let first = index << UInt64(above)
        let tile = try await tile(level: level, index: first >> UInt64(Self.height))
        return Self.subtree(tile, at: Int(first & 0xFF), count: 1 << above)
    }

    /// A tile that is known to be under the root: 32 bytes for each hash.
    private func tile(level: Int, index: UInt64) async throws(SigstoreError) -> [UInt8] {
        guard index < Self.shifted(size, level + 1) else {
            guard let partial = try await rightEdge()[level] else {
                throw .malformed("tile tree", "no tile \(index) at level \(level)")
            }
            return partial
        }
        let parent = try await self.tile(level: level + 1, index: index >> UInt64(Self.height))
        let expected = Self.subtree(parent, at: Int(index & 0xFF), count: 1)
        let place = TileCache.Place(level: level, index: index)
        if let known = cache.tile(place), known.root == expected { return known.hashes }

        let path = TilePath(kind: .hashes(level: level), index: index, width: TilePath.fullWidth)
        let hashes = try await source.tile(path)
        guard hashes.count == TilePath.fullWidth * 32,
            Self.subtree(hashes, at: 0, count: TilePath.fullWidth) == expected
        else { throw Self.foreign(path) }
        cache.remember(TileCache.Tile(hashes: hashes, root: expected), at: place)
        return hashes
    }

    /// The partial tiles of all levels. Together they hold the roots of all complete subtrees, and so the tree's.
    private func rightEdge() async throws(SigstoreError) -> [Int: [UInt8]] {
        if let known = edge.withLock({ $0 }) { return known }
        var tiles: [Int: [UInt8]] = [:]
        var seen: [UInt8]?
        for level in 0..<Self.levels {
            let width = Int(Self.shifted(size, level) & 0xFF)
            guard width > 0 else { continue }
            let path = TilePath(kind: .hashes(level: level), index: Self.shifted(size, level + 1), width: width)
            let hashes = try await source.tile(path)
            guard hashes.count == width * 32 else { throw Self.foreign(path) }
            tiles[level] = hashes
            // subtrees from the smallest, at the right, to the largest
            var end = width
            for bit in 0..<Self.height where width >> bit & 1 == 1 {
                end -= 1 << bit
                let peak = Self.subtree(hashes, at: end, count: 1 << bit)
                seen = seen.map { Merkle.nodeHash(peak, $0) } ?? peak
            }
        }
        guard (seen ?? Hash.sha256([UInt8]())) == root else {
            throw .badAnswer(
                .rekor, detail: "the tiles of the right edge do not make the checkpoint's root of \(size) leaves",
                answerMayBeLost: false)
        }
        edge.withLock { $0 = tiles }
        return tiles
    }

    private static func foreign(_ path: TilePath) -> SigstoreError {
        .badAnswer(.rekor, detail: "\(path.text) is not under the checkpoint's root", answerMayBeLost: false)
    }

    /// How many nodes of height `8 × level` a tree of `size` leaves has.
    private static func shifted(_ size: UInt64, _ level: Int) -> UInt64 { size >> UInt64(level * height) }

    /// The root over `count` hashes of a tile, a power of two of them.
    private static func subtree(_ tile: [UInt8], at offset: Int, count: Int) -> [UInt8] {
        guard count > 1 else { return Array(tile[offset * 32..<(offset + 1) * 32]) }
        return Merkle.nodeHash(
            subtree(tile, at: offset, count: count / 2), subtree(tile, at: offset + count / 2, count: count / 2))
    }
}
