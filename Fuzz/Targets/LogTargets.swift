#if DEBUG || FUZZING
    @testable import Sigstore

    extension FuzzTarget {
        /// What a transparency log answers.
        static let logs = [
            FuzzTarget(name: "checkpoint") { bytes in
                guard let checkpoint = try? Checkpoint(note: String(decoding: bytes, as: UTF8.self)) else { return }
                let text = Checkpoint.text(
                    origin: checkpoint.origin, size: checkpoint.size, rootHash: checkpoint.rootHash)
                promise(checkpoint.signedText.starts(with: text), "what is signed is what was read")
            },
            FuzzTarget(name: "rekor-answer") { bytes in
                for entry in (try? RekorAnswer.entries(in: bytes)) ?? [] {
                    promise((try? TlogEntry(json: entry.encoded())) == entry, "an entry reads back as it was written")
                    _ = try? TlogBody(entry)
                }
            },
            // what a Rekor v2 answers to a new entry
            FuzzTarget(name: "rekor2-answer") { bytes in
                guard let document = try? JSONField(document: "answer", parsing: bytes),
                    let entry = try? TlogEntry(document)
                else { return }
                promise((try? TlogEntry(json: entry.encoded())) == entry, "an entry reads back as it was written")
                _ = try? HashedRekordV2Entry(body: entry.canonicalizedBody)
            },
            // stored requests of either version
            FuzzTarget(name: "log-request") { bytes in
                if let entry = try? HashedRekordV2Entry(request: bytes) {
                    promise((try? HashedRekordV2Entry(request: entry.request)) == entry, "a request reads back")
                    promise((try? HashedRekordV2Entry(body: entry.canonicalizedBody)) == entry, "so does its leaf")
                }
                if let entry = try? RekorV1Entry(request: bytes) { _ = entry.canonicalizedBody }
            },
            FuzzTarget(name: "entry-bundle") { bytes in
                guard let entries = try? TilePath.entries(in: bytes, atLeast: 0) else { return }
                let again = entries.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 }
                promise(again == bytes, "a bundle holds its entries and nothing else")
            },
            // two sizes, then hashes: the roots and the proof
            FuzzTarget(name: "tree-proof") { bytes in
                guard bytes.count >= 16 else { return }
                func size(_ start: Int) -> UInt64 { bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) } }
                let hashes = stride(from: 16, to: bytes.count, by: 32).map { Array(bytes[$0...].prefix(32)) }
                let (roots, proof) = (hashes.prefix(2), Array(hashes.dropFirst(2)))
                let (first, second) = (size(0), size(8))
                if let one = roots.first, let other = roots.last {
                    try? Merkle.verifyConsistency(
                        first: first, firstRoot: one, second: second, secondRoot: other, proof: proof)
                    _ = try? Merkle.root(fromLeaf: one, index: first, size: second, path: proof)
                }
                // the same sizes made small: what our trees prove holds, and holds for nothing else
                let leaves = (0...Int(second % 48)).map { Merkle.leafHash([UInt8($0)]) }
                let count = 1 + Int(first % UInt64(leaves.count))
                let honest = Merkle.consistencyProof(count, leaves[...])
                let old = Merkle.merkleTreeHash(leaves[..<count])
                let new = Merkle.merkleTreeHash(leaves[...])
                func holds(_ root: [UInt8], _ proof: [[UInt8]]) -> Bool {
                    (try? Merkle.verifyConsistency(
                        first: UInt64(count), firstRoot: old, second: UInt64(leaves.count), secondRoot: root,
                        proof: proof)) != nil
                }
                promise(holds(new, honest), "a tree extends its beginning")
                if let wrong = proof.first, wrong != new { promise(!holds(wrong, honest), "to one root only") }
                if proof != honest { promise(!holds(new, proof), "by one proof only") }
                let path = Merkle.auditPath(count - 1, leaves[...])
                promise(
                    (try? Merkle.root(
                        fromLeaf: leaves[count - 1], index: UInt64(count - 1), size: UInt64(leaves.count), path: path))
                        == new, "a leaf is in its tree")
            },
            FuzzTarget(name: "witness-key") { bytes in
                _ = try? Witness(verifierKey: String(decoding: bytes, as: UTF8.self))
            },
            FuzzTarget(name: "log-info") { bytes in
                guard let document = try? JSONField(document: "log info", parsing: bytes),
                    let shard = try? RekorV1.LogInfo.Shard(document)
                else { return }
                _ = try? Checkpoint(note: shard.checkpoint)
            },
            // what a Rekor v1 answers to a search
            FuzzTarget(name: "rekor-search") { bytes in
                for uuid in (try? RekorV1.uuids(in: bytes)) ?? [] {
                    promise([64, 80].contains(uuid.utf8.count), "a uuid that was taken can be asked for")
                }
            },
            FuzzTarget(name: "consistency-proof") { bytes in
                guard let proof = try? RekorV1.proof(in: bytes) else { return }
                promise(proof.count <= 128, "no tree needs a longer proof")
                try? Merkle.verifyConsistency(
                    first: 3, firstRoot: Merkle.leafHash([1]), second: 7, secondRoot: Merkle.leafHash([2]), proof: proof
                )
            },
            // the first byte chooses the kind, of all that a log may have; the rest is the leaf
            FuzzTarget(name: "rekor-body") { bytes in
                let kinds = RekorAPI.all.flatMap(\.entryKinds)
                guard let first = bytes.first else { return }
                let chosen = kinds[Int(first) % kinds.count]
                let entry = TlogEntry(
                    logIndex: 0, logID: [], kind: chosen.kind, version: chosen.version, integratedTime: 0,
                    inclusionPromise: nil,
                    inclusionProof: nil, canonicalizedBody: Array(bytes.dropFirst()))
                _ = try? TlogBody(entry)
            },
        ]
    }
#endif
