import OpenSSL
import Testing

@testable import Sigstore

/// The tree of certificate-transparency's own tests (RFC 6962 §2.1.3 has the shapes, these are the inputs all implementations share).
@Suite struct MerkleTests {
    static let inputs = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    let leaves: [[UInt8]]

    init() throws { leaves = try Self.inputs.map { Merkle.leafHash(try #require(Hex.decode($0))) } }

    @Test func `roots are those of the shared vectors`() {
        #expect(
            Hex.encode(Merkle.merkleTreeHash([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for size in 1...8 { #expect(Hex.encode(Merkle.merkleTreeHash(leaves.prefix(size))) == Self.roots[size - 1]) }
    }

    @Test func `audit paths are those of the shared vectors`() {
        #expect(
            Merkle.auditPath(5, leaves[..<8]).map(Hex.encode) == [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ])
        #expect(
            Merkle.auditPath(2, leaves[..<3]).map(Hex.encode)
                == ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"])
    }

    @Test func `every leaf of every tree up to 33 is proven, and by no altered proof`() throws {
        let leaves = (0..<33).map { Merkle.leafHash([UInt8($0)]) }
        for size in 1...33 {
            let root = Merkle.merkleTreeHash(leaves.prefix(size))
            for index in 0..<size {
                let path = Merkle.auditPath(index, leaves.prefix(size))
                func holds(_ index: Int, _ size: Int, _ path: [[UInt8]], _ root: [UInt8]) -> Bool {
                    (try? Merkle.verifyInclusion(
                        leafHash: leaves[index % 33], index: UInt64(index), size: UInt64(size), path: path, root: root))
                        != nil
                }
                #expect(holds(index, size, path, root))
                #expect(!holds(index, size, path + [root], root))
                #expect(!holds(index, index, path, root))
                if !path.isEmpty {
                    #expect(!holds(index, size, path.dropLast(), root))
                    #expect(!holds(index ^ 1, size, path, root))
                }
                #expect(!holds(index, size, path, leaves[0] == root ? leaves[1] : leaves[0]))
            }
        }
    }

    @Test func `every pair of trees up to 20 is proven consistent, and by no altered proof`() throws {
        let leaves = (0..<20).map { Merkle.leafHash([UInt8($0)]) }
        for second in 1...20 {
            let secondRoot = Merkle.merkleTreeHash(leaves.prefix(second))
            for first in 1...second {
                let firstRoot = Merkle.merkleTreeHash(leaves.prefix(first))
                let proof = Merkle.consistencyProof(first, leaves.prefix(second))
                func holds(_ proof: [[UInt8]], _ a: [UInt8], _ b: [UInt8]) -> Bool {
                    (try? Merkle.verifyConsistency(
                        first: UInt64(first), firstRoot: a, second: UInt64(second), secondRoot: b, proof: proof)) != nil
                }
                #expect(holds(proof, firstRoot, secondRoot), "\(first) \(second)")
                #expect(!holds(proof + [firstRoot], firstRoot, secondRoot))
                #expect(!holds(proof, [UInt8](repeating: 7, count: 32), secondRoot))
                if first != second { #expect(!holds(proof, firstRoot, [UInt8](repeating: 7, count: 32))) }
            }
        }
        #expect(throws: Merkle.ProofError.indexOutOfRange) {
            try Merkle.verifyConsistency(first: 2, firstRoot: [], second: 1, secondRoot: [], proof: [])
        }
    }

    @Test func `only a proof that leads to the larger tree says that it begins otherwise`() {
        let old = (0..<6).map { Merkle.leafHash([UInt8($0)]) }
        let new = old.prefix(3) + (3..<9).map { Merkle.leafHash([UInt8($0), 1]) }
        let proof = Merkle.consistencyProof(6, new)
        func verify(_ proof: [[UInt8]]) throws(Merkle.ProofError) {
            try Merkle.verifyConsistency(
                first: 6, firstRoot: Merkle.merkleTreeHash(old[...]), second: 9, secondRoot: Merkle.merkleTreeHash(new),
                proof: proof)
        }
        #expect(throws: Merkle.ProofError.prefixMismatch) { try verify(proof) }
        #expect(throws: Merkle.ProofError.rootMismatch) {
            try verify(proof.dropLast() + [[UInt8](repeating: 7, count: 32)])
        }
        #expect(throws: Merkle.ProofError.self) { try verify(proof.dropLast()) }
        // the same bytes, cut one earlier, lead to the same root
        var cut = proof
        cut[1].insert(cut[0].removeLast(), at: 0)
        #expect(throws: Merkle.ProofError.length(expected: 32, seen: 31)) { try verify(cut) }
        #expect(Merkle.ProofError.prefixMismatch.isContradiction && !Merkle.ProofError.rootMismatch.isContradiction)
    }

    @Test func `huge sizes do not trap`() {
        #expect(throws: Merkle.ProofError.self) {
            try Merkle.verifyInclusion(leafHash: leaves[0], index: .max - 1, size: .max, path: [], root: leaves[0])
        }
        #expect(throws: Merkle.ProofError.self) {
            try Merkle.verifyConsistency(first: 1 << 63, firstRoot: [], second: .max, secondRoot: [], proof: [])
        }
    }
}
