import OpenSSL

/// The Merkle tree of RFC 6962 §2.1 over SHA-256, with the RFC's names.
public enum Merkle {
    /// Why a proof does not hold.
    public enum ProofError: Error, Sendable, Equatable {
        /// The proof has the wrong number of hashes for this index and size, or one of another length.
        case length(expected: Int, seen: Int)
        /// Index and sizes contradict each other.
        case indexOutOfRange
        /// The proof leads to another root.
        case rootMismatch
        /// The larger tree, of which the proof is, begins with another than the smaller one.
        case prefixMismatch

        /// Whether of two roots that the log signed only one can be true, whoever brought the proof: what leads to a root is of
        /// its tree. Every other failure may be the proof's alone.
        public var isContradiction: Bool { self == .prefixMismatch }
    }

    /// `MTH({d})`: the hash of a leaf, `SHA-256(0x00 ‖ d)`.
    public static func leafHash(_ data: [UInt8]) -> [UInt8] { Hash.sha256([0x00] + data) }

    /// The hash of an inner node, `SHA-256(0x01 ‖ left ‖ right)`.
    public static func nodeHash(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { Hash.sha256([0x01] + left + right) }

    /// `MTH(D[n])`: the root over leaf hashes.
    public static func merkleTreeHash(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
        guard let first = leaves.first else { return Hash.sha256([UInt8]()) }
        guard leaves.count > 1 else { return first }
        let k = leaves.startIndex + largestPowerOfTwo(below: leaves.count)
        return nodeHash(merkleTreeHash(leaves[..<k]), merkleTreeHash(leaves[k...]))
    }

    /// `PATH(m, D[n])` (§2.1.1): the audit path of leaf `m`.
    public static func auditPath(_ m: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
        guard leaves.count > 1, (0..<leaves.count).contains(m) else { return [] }
        let k = largestPowerOfTwo(below: leaves.count)
        let (left, right) = (leaves.prefix(k), leaves.dropFirst(k))
        return m < k
            ? auditPath(m, left) + [merkleTreeHash(right)] : auditPath(m - k, right) + [merkleTreeHash(left)]
    }

    /// `PROOF(m, D[n])` (§2.1.2): that the first `m` leaves are a prefix of these.
    public static func consistencyProof(_ m: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
        guard m > 0, m < leaves.count else { return [] }
        return subProof(m, leaves, complete: true)
    }

    private static func subProof(_ m: Int, _ leaves: ArraySlice<[UInt8]>, complete: Bool) -> [[UInt8]] {
        if m == leaves.count { return complete ? [] : [merkleTreeHash(leaves)] }
        let k = largestPowerOfTwo(below: leaves.count)
        let (left, right) = (leaves.prefix(k), leaves.dropFirst(k))
        return m <= k
            ? subProof(m, left, complete: complete) + [merkleTreeHash(right)]
            : subProof(m - k, right, complete: false) + [merkleTreeHash(left)]
    }

    private static func largestPowerOfTwo(below n: Int) -> Int { 1 << (Int.bitWidth - 1 - (n - 1).leadingZeroBitCount) }

    /// The root to which an audit path leads from a leaf hash.
    public static func root(
        fromLeaf leafHash: [UInt8], index: UInt64, size: UInt64, path: [[UInt8]]
    ) throws(ProofError) -> [UInt8] {
        guard index < size else { throw .indexOutOfRange }
        let (inner, border) = decompose(index: index, size: size)
        guard path.count == inner + border else { throw .length(expected: inner + border, seen: path.count) }
        return chainBorderRight(chainInner(leafHash, path.prefix(inner), index), path.suffix(border))
    }

    /// Checks that a leaf is in the tree with this root.
    public static func verifyInclusion(
        leafHash: [UInt8], index: UInt64, size: UInt64, path: [[UInt8]], root: [UInt8]
    ) throws(ProofError) {
        guard try self.root(fromLeaf: leafHash, index: index, size: size, path: path) == root else {
            throw .rootMismatch
        }
    }

    /// Checks that a tree of `first` leaves is a prefix of one of `second` leaves.
    public static func verifyConsistency(
        first: UInt64, firstRoot: [UInt8], second: UInt64, secondRoot: [UInt8], proof: [[UInt8]]
    ) throws(ProofError) {
        guard first <= second else { throw .indexOutOfRange }
        if first == second || first == 0 {
            guard proof.isEmpty else { throw .length(expected: 0, seen: proof.count) }
            guard first == 0 || firstRoot == secondRoot else { throw .prefixMismatch }
            return
        }
        // hashes of other lengths could be cut anew, and lead to the same root
        if let odd = proof.first(where: { $0.count != firstRoot.count }) {
            throw .length(expected: firstRoot.count, seen: odd.count)
        }
        var (inner, border) = decompose(index: first - 1, size: second)
        let shift = first.trailingZeroBitCount
        inner -= shift
        // when the first tree is a complete subtree its root starts the proof and is not repeated
        let start = first == 1 << UInt64(shift) ? 0 : 1
        guard proof.count == start + inner + border else {
            throw .length(expected: start + inner + border, seen: proof.count)
        }
        let seed = start == 0 ? firstRoot : proof[0]
        let path = proof.dropFirst(start)
        let mask = (first - 1) >> UInt64(shift)
        let new = chainBorderRight(chainInner(seed, path.prefix(inner), mask), path.dropFirst(inner))
        guard new == secondRoot else { throw .rootMismatch }
        let old = chainBorderRight(chainInnerRight(seed, path.prefix(inner), mask), path.dropFirst(inner))
        guard old == firstRoot else { throw .prefixMismatch }
    }

    /// How many path hashes lie below, and how many on, the right border of the tree.
    private static func decompose(index: UInt64, size: UInt64) -> (inner: Int, border: Int) {
        let inner = UInt64.bitWidth - (index ^ (size - 1)).leadingZeroBitCount
        return (inner, inner == UInt64.bitWidth ? 0 : (index >> UInt64(inner)).nonzeroBitCount)
    }

    private static func chainInner(_ seed: [UInt8], _ path: ArraySlice<[UInt8]>, _ index: UInt64) -> [UInt8] {
        path.enumerated().reduce(seed) { hash, step in
            index >> UInt64(step.offset) & 1 == 0 ? nodeHash(hash, step.element) : nodeHash(step.element, hash)
        }
    }

    private static func chainInnerRight(_ seed: [UInt8], _ path: ArraySlice<[UInt8]>, _ index: UInt64) -> [UInt8] {
        path.enumerated().reduce(seed) { hash, step in
            index >> UInt64(step.offset) & 1 == 1 ? nodeHash(step.element, hash) : hash
        }
    }

    private static func chainBorderRight(_ seed: [UInt8], _ path: ArraySlice<[UInt8]>) -> [UInt8] {
        path.reduce(seed) { nodeHash($1, $0) }
    }
}
