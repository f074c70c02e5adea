/// Answers that do not verify, for whoever asked for them.
extension LoggedEntry {
    func distorted(_ distortions: Set<Fault.Distortion>) -> LoggedEntry {
        guard !distortions.isEmpty else { return self }
        let proof = verification.inclusionProof
        let isElsewhere = distortions.contains(.badProof)
        // the only leaf of a tree has no siblings: then its root is wrong
        let hashes = isElsewhere ? proof.hashes.enumerated().map { $0 == 0 ? $1.hexFlipped : $1 } : proof.hashes
        let isRootWrong = isElsewhere && proof.hashes.isEmpty
        return LoggedEntry(
            uuid: uuid, promise: promise,
            verification: .init(
                inclusionProof: .init(
                    checkpoint: distortions.contains(.badCheckpoint)
                        ? proof.checkpoint.withOtherSignatures : proof.checkpoint,
                    hashes: hashes, logIndex: proof.logIndex,
                    rootHash: isRootWrong ? proof.rootHash.hexFlipped : proof.rootHash, treeSize: proof.treeSize),
                signedEntryTimestamp: distortions.contains(.badSET)
                    ? verification.signedEntryTimestamp.base64Flipped : verification.signedEntryTimestamp))
    }
}

extension TiledLog.Logged {
    func distorted(_ distortions: Set<Fault.Distortion>) -> TiledLog.Logged {
        guard !distortions.isEmpty else { return self }
        let isElsewhere = distortions.contains(.badProof)
        let checkpoint = head.checkpoint
        return TiledLog.Logged(
            index: index, body: body,
            head: .init(
                size: head.size, root: isElsewhere && proof.isEmpty ? head.root.flipped : head.root,
                checkpoint: distortions.contains(.badCheckpoint) ? checkpoint.withOtherSignatures : checkpoint,
                isFrozen: head.isFrozen),
            proof: isElsewhere ? proof.enumerated().map { $0 == 0 ? $1.flipped : $1 } : proof)
    }
}

extension String {
    /// A note whose signatures are well-formed and wrong: the last byte of each has a bit flipped.
    var withOtherSignatures: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "\u{2014}" else { return String(line) }
            return "\(words[0]) \(words[1]) \(String(words[2]).base64Flipped)"
        }.joined(separator: "\n")
    }

    fileprivate var hexFlipped: String { [UInt8](hex: self)?.flipped.hex ?? self }
    fileprivate var base64Flipped: String { [UInt8](base64: self)?.flipped.base64 ?? self }
}

extension [UInt8] {
    fileprivate var flipped: [UInt8] { isEmpty ? self : dropLast() + [self[count - 1] ^ 1] }
}
