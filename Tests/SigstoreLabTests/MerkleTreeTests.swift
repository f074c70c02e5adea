import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct MerkleTreeTests {
    /// The eight leaves and the roots of every prefix that the Certificate Transparency projects share as test vectors.
    private static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    private static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    private func tree(of count: Int) -> MerkleTree {
        var tree = MerkleTree()
        for index in 0..<count {
            tree.append(
                leafHash: MerkleTree.leafHash([
                    UInt8(truncatingIfNeeded: index), UInt8(truncatingIfNeeded: index >> 8),
                    UInt8(truncatingIfNeeded: index >> 16),
                ]))
        }
        return tree
    }

    @Test func `every prefix of the shared test leaves has the published root`() throws {
        var tree = MerkleTree()
        #expect(tree.root(size: 0) == Hash.sha256([]))
        for (leaf, root) in zip(Self.leaves, Self.roots) {
            tree.append(leafHash: MerkleTree.leafHash(try #require([UInt8](hex: leaf))))
            #expect(tree.root(size: tree.count).hex == root)
        }
        for (size, root) in zip(1..., Self.roots) { #expect(tree.root(size: size).hex == root) }
    }

    @Test func `an inclusion proof leads from each leaf to the root at every size`() {
        let tree = tree(of: 37)
        for size in 1...37 {
            for index in 0..<size {
                let proof = tree.inclusionProof(index: index, size: size)
                #expect(ProofCheck.root(of: tree.leafHash(at: index), index, size, proof) == tree.root(size: size))
            }
        }
    }

    @Test func `a consistency proof joins every pair of sizes and no forged root`() {
        let tree = tree(of: 37)
        for second in 1...37 {
            for first in 1...second {
                let proof = tree.consistencyProof(first: first, second: second)
                let (old, new) = (tree.root(size: first), tree.root(size: second))
                #expect(ProofCheck.isConsistent(first, second, old, new, proof))
                #expect(!ProofCheck.isConsistent(first, second, Hash.sha256(old), new, proof))
            }
        }
    }

    @Test func `a hundred thousand leaves are proven with seventeen hashes`() {
        let tree = tree(of: 100_000)
        #expect(tree.inclusionProof(index: 99_999, size: 100_000).count <= 17)
        #expect(
            ProofCheck.root(
                of: tree.leafHash(at: 4711), 4711, 100_000, tree.inclusionProof(index: 4711, size: 100_000))
                == tree.root(size: 100_000))
    }
}

/// The verifier's side, from RFC 9162 §2.1.3.2 and §2.1.4.2: it shares nothing with the tree.
enum ProofCheck {
    static func root(of leaf: [UInt8], _ index: Int, _ size: Int, _ proof: [[UInt8]]) -> [UInt8]? {
        var (fn, sn, hash) = (index, size - 1, leaf)
        for step in proof {
            if sn == 0 { return nil }
            if fn & 1 == 1 || fn == sn {
                hash = Hash.sha256([1] + step + hash)
                while fn & 1 == 0, fn != 0 { (fn, sn) = (fn >> 1, sn >> 1) }
            } else {
                hash = Hash.sha256([1] + hash + step)
            }
            (fn, sn) = (fn >> 1, sn >> 1)
        }
        return sn == 0 ? hash : nil
    }

    static func isConsistent(_ first: Int, _ second: Int, _ old: [UInt8], _ new: [UInt8], _ proof: [[UInt8]]) -> Bool {
        if first == second { return proof.isEmpty && old == new }
        var path = proof[...]
        if first.nonzeroBitCount == 1 { path = ([old] + proof)[...] }
        var (fn, sn) = (first - 1, second - 1)
        while fn & 1 == 1 { (fn, sn) = (fn >> 1, sn >> 1) }
        guard let seed = path.popFirst() else { return false }
        var (fr, sr) = (seed, seed)
        for step in path {
            if sn == 0 { return false }
            if fn & 1 == 1 || fn == sn {
                (fr, sr) = (Hash.sha256([1] + step + fr), Hash.sha256([1] + step + sr))
                while fn & 1 == 0, fn != 0 { (fn, sn) = (fn >> 1, sn >> 1) }
            } else {
                sr = Hash.sha256([1] + sr + step)
            }
            (fn, sn) = (fn >> 1, sn >> 1)
        }
        return fr == old && sr == new && sn == 0
    }
}
