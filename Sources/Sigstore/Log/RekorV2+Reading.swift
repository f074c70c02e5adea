import OpenSSL
import StrictJSON
import Synchronization

/// A log's tree under a checkpoint that was verified.
struct LogView: Sendable {
    let checkpoint: VerifiedCheckpoint
    let tree: TileTree
}

extension RekorV2 {
    /// The newest checkpoint.
    public func checkpoints() async throws(SigstoreError) -> [Checkpoint] { [try await tiles.checkpoint()] }

    /// The entry of an index with a proof to the newest checkpoint that is known to cover it; nil if none does.
    public func entry(index: Int64) async throws(SigstoreError) -> TlogEntry? {
        guard let position = UInt64(exactly: index) else { return nil }
        guard let view = try await view(covering: position) else { return nil }
        return try await proven(position, in: view)
    }

    public func consistencyProof(
        from first: Checkpoint, to second: Checkpoint
    ) async throws(SigstoreError) -> [[UInt8]] {
        let tree = TileTree(size: second.size, root: second.rootHash, source: tiles, cache: cache)
        return try await tree.consistencyProof(from: first.size)
    }

    /// The entry of an index, once a checkpoint covers it: a duplicate may have been taken a moment ago.
    func published(_ index: Int64) async throws(SigstoreError) -> TlogEntry {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        var pause = Duration.milliseconds(100)
        while true {
            if let entry = try await entry(index: index) { return entry }
            guard clock.now + pause < deadline else {
                throw .unavailable(
                    .rekor, detail: "entry \(index) is in no published checkpoint after \(timeout)", retryAfter: nil,
                    answerMayBeLost: true)
            }
            do { try await Task.sleep(for: pause) } catch { throw .cancelled(.rekor, answerMayBeLost: true) }
            pause = min(pause * 2, .seconds(1))
        }
    }

    /// A verified view of the log that has this leaf; nil if the newest has not.
    func view(covering index: UInt64) async throws(SigstoreError) -> LogView? {
        if let known = newest.withLock({ $0 }), known.tree.size > index { return known }
        let view = try await newestView()
        return view.tree.size > index ? view : nil
    }

    /// A verified view of the log as it is now.
    func newestView() async throws(SigstoreError) -> LogView {
        let checkpoint: VerifiedCheckpoint
        do throws(SigstoreError) {
            checkpoint = try verifier.verify(await tiles.checkpoint())
        } catch .malformed(let what, let why) {
            throw .badAnswer(.rekor, detail: "\(what): \(why)", answerMayBeLost: false)
        }
        let (size, root) = (checkpoint.checkpoint.size, checkpoint.checkpoint.rootHash)
        return newest.withLock { newest in
            // somebody else was faster: one tree for all, so that its edge is read once
            if let newest, newest.tree.size >= size { return newest }
            let view = LogView(
                checkpoint: checkpoint, tree: TileTree(size: size, root: root, source: tiles, cache: cache))
            newest = view
            return view
        }
    }

    /// The entry of an index with its proof: what is under the root, so that the proof made of the tree holds for it.
    private func proven(_ index: UInt64, in view: LogView) async throws(SigstoreError) -> TlogEntry {
        let first = index & ~0xFF
        let width = Int(min(256, view.tree.size - first))
        let bodies = try await bundle(TilePath(kind: .entries, index: index >> 8, width: width))
        var entry = try await self.entry(index, bodies[Int(index - first)], in: view)
        let checkpoint = view.checkpoint.checkpoint
        entry.inclusionProof = TlogEntry.InclusionProof(
            logIndex: Int64(index), rootHash: checkpoint.rootHash, treeSize: Int64(checkpoint.size),
            hashes: try await view.tree.inclusionProof(of: index), checkpoint: checkpoint.note)
        return entry
    }

    /// The bodies of an entry bundle, as many as its path says at least.
    func bundle(_ path: TilePath) async throws(SigstoreError) -> [[UInt8]] {
        let bytes = try await tiles.tile(path)
        do throws(SigstoreError) { return try TilePath.entries(in: bytes, atLeast: path.width) } catch {
            throw .badAnswer(.rekor, detail: error.observed, answerMayBeLost: false)
        }
    }

    /// The entry that a body is, once it was held against the leaf that the checkpoint covers; without a proof. A body that does
    /// not say of which kind it is, is the log's fault.
    func entry(_ index: UInt64, _ body: [UInt8], in view: LogView) async throws(SigstoreError) -> TlogEntry {
        guard try await view.tree.leafHash(index) == Merkle.leafHash(body) else {
            throw .badAnswer(.rekor, detail: "entry \(index) is not the leaf of its tile", answerMayBeLost: false)
        }
        do throws(SigstoreError) {
            let type = try JSONField(document: "tlog entry body", parsing: body)
            return TlogEntry(
                logIndex: Int64(index), logID: view.checkpoint.log.logID, kind: try type.required("kind").string(),
                version: try type.required("apiVersion").string(), integratedTime: 0, inclusionPromise: nil,
                inclusionProof: nil, canonicalizedBody: body)
        } catch {
            throw .badAnswer(.rekor, detail: error.observed, answerMayBeLost: false)
        }
    }
}
