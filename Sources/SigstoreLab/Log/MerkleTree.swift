import OpenSSL

/// The hash tree of RFC 6962 §2.1, growing at the right edge.
///
/// Level `k` keeps the hashes of all complete subtrees of 2^k leaves, so that an append costs one hash on average and
/// a root or a proof O(log² n): at 100,000 entries that is 6.4 MB and some dozen hashes.
struct MerkleTree: Sendable {
    static let hashSize = 32
    private var levels: [[UInt8]] = [[]]

    /// Number of leaves.
    var count: Int { levels[0].count / Self.hashSize }

    /// RFC 6962 §2.1: the domain byte keeps a leaf from being read as a node.
    static func leafHash(_ entry: [UInt8]) -> [UInt8] { Hash.sha256([0x00] + entry) }

    static func nodeHash(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { Hash.sha256([0x01] + left + right) }

    mutating func append(leafHash: [UInt8]) {
        var hash = leafHash
        var level = 0
        while true {
            if level == levels.count { levels.append([]) }
            levels[level].append(contentsOf: hash)
            let nodes = levels[level].count / Self.hashSize
            guard nodes.isMultiple(of: 2) else { return }
            hash = Self.nodeHash(node(level, nodes - 2), node(level, nodes - 1))
            level += 1
        }
    }

    func leafHash(at index: Int) -> [UInt8] { node(0, index) }

    /// The hashes of complete subtrees of 2^level leaves, one after the other; `nil` if there are not so many yet.
    func nodes(level: Int, _ range: Range<Int>) -> [UInt8]? {
        guard levels.indices.contains(level), range.upperBound * Self.hashSize <= levels[level].count else {
            return nil
        }
        let bytes = range.lowerBound * Self.hashSize..<range.upperBound * Self.hashSize
        return levels[level].withUnsafeBufferPointer { Array($0[bytes]) }
    }

    /// MTH(D[0:size]).
    func root(size: Int) -> [UInt8] {
        size == 0 ? Hash.sha256([]) : hash(0, size)
    }

    /// PATH(index, D[0:size]), lowest node first (RFC 6962 §2.1.1). `index < size <= count`.
    func inclusionProof(index: Int, size: Int) -> [[UInt8]] {
        path(index, 0, size)
    }

    /// PROOF(first, D[0:second]) (RFC 6962 §2.1.2). `0 < first <= second <= count`.
    func consistencyProof(first: Int, second: Int) -> [[UInt8]] {
        first == second ? [] : subproof(first, 0, second, isComplete: true)
    }

    private func node(_ level: Int, _ index: Int) -> [UInt8] {
        let start = index * Self.hashSize
        // a copy: an array made of all of a level would share its storage with whoever keeps it
        return levels[level].withUnsafeBufferPointer { Array($0[start..<start + Self.hashSize]) }
    }

    /// MTH of the leaves `start ..< end`; `start` is a multiple of every power of two that is asked for here.
    private func hash(_ start: Int, _ end: Int) -> [UInt8] {
        let size = end - start
        if size.nonzeroBitCount == 1 {
            let level = size.trailingZeroBitCount
            return node(level, start >> level)
        }
        let split = Self.split(size)
        return Self.nodeHash(hash(start, start + split), hash(start + split, end))
    }

    private func path(_ index: Int, _ start: Int, _ end: Int) -> [[UInt8]] {
        guard end - start > 1 else { return [] }
        let middle = start + Self.split(end - start)
        return index < middle
            ? path(index, start, middle) + [hash(middle, end)]
            : path(index, middle, end) + [hash(start, middle)]
    }

    private func subproof(_ first: Int, _ start: Int, _ end: Int, isComplete: Bool) -> [[UInt8]] {
        if first == end { return isComplete ? [] : [hash(start, end)] }
        let middle = start + Self.split(end - start)
        return first <= middle
            ? subproof(first, start, middle, isComplete: isComplete) + [hash(middle, end)]
            : subproof(first, middle, end, isComplete: false) + [hash(start, middle)]
    }

    /// The largest power of two smaller than `size`.
    private static func split(_ size: Int) -> Int {
        1 << (Int.bitWidth - 1 - (size - 1).leadingZeroBitCount)
    }
}
