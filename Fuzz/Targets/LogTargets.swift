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
            // the first byte chooses the kind, the rest is the leaf
            FuzzTarget(name: "rekor-body") { bytes in
                let kinds = [
                    ("dsse", "0.0.1"), ("intoto", "0.0.2"), ("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2"),
                ]
                guard let first = bytes.first else { return }
                let (kind, version) = kinds[Int(first) % kinds.count]
                let entry = TlogEntry(
                    logIndex: 0, logID: [], kind: kind, version: version, integratedTime: 0, inclusionPromise: nil,
                    inclusionProof: nil, canonicalizedBody: Array(bytes.dropFirst()))
                _ = try? TlogBody(entry)
            },
        ]
    }
#endif
