package import Curl
package import Sigstore

/// A log that somebody looks into, whichever API it speaks.
package struct LogSite: Sendable {
    /// Its URL.
    package let url: String
    private let client: any RekorClient
    private let verifier: Verifier?
    private let checkpoints: CheckpointVerifier?

    /// The API that it speaks.
    package var api: RekorAPI { client.api }
    /// The log for reading.
    package var reader: any LogReader { client }
    /// The log for reading from one end to the other.
    var follower: any LogFollower { client }
    /// Whether what it says can be verified.
    var isTrusted: Bool { verifier != nil }

    /// - Parameter trusting: whom to believe, and what is demanded of certificates; without it what the log says is shown
    ///   and not verified.
    package init(_ log: InstanceServices.Log, trusting verifier: Verifier?, http: HTTPClient) {
        let checkpointVerifier = log.checkpointVerifier { verifier?.root.tlogs ?? [] }
        client = log.client(checkpointVerifier, http: http)
        url = log.upstream.url
        self.verifier = verifier
        checkpoints = verifier == nil ? nil : checkpointVerifier
    }

    /// Which API a server speaks: the newest that has a checkpoint there. The oldest is what is left.
    /// - Throws: ``SigstoreError`` if the server cannot be asked.
    package static func api(
        of upstream: UpstreamConfiguration, http: HTTPClient
    ) async throws(SigstoreError) -> RekorAPI {
        for api in RekorAPI.all.reversed() where api != .v1 {
            let log = InstanceServices.Log(name: upstream.url, api: api, upstream: upstream)
            do throws(SigstoreError) {
                _ = try await log.client(log.checkpointVerifier { [] }, http: http).checkpoints()
                return api
            } catch {
                switch error {
                case .refused, .malformed, .badAnswer: continue
                default: throw error
                }
            }
        }
        return .v1
    }

    /// The entry of an index over all trees.
    /// - Throws: ``TransparencyError/entryNotFound(log:asked:trees:)``.
    package func entry(index: Int64) async throws -> TlogEntry {
        if api.isTiled, !isTrusted { throw TransparencyError.needsTrust(log: url) }
        guard let entry = try await reader.entry(index: index) else { throw try await notFound("index \(index)") }
        return entry
    }

    /// The entry of that name: 80 hex digits, or the 64 of the leaf's hash.
    package func entry(uuid: String) async throws -> TlogEntry {
        guard let log = client as? any LogIndex else {
            throw TransparencyError.notSearchable(log: url, why: "entries of \(api) have an index and no uuid")
        }
        guard let entry = try await log.entry(uuid: uuid) else { throw try await notFound("uuid \(uuid)") }
        return entry
    }

    /// The uuids of entries that the log's index has under a term.
    package func search(_ term: LogSearch) async throws -> [String] {
        guard let log = client as? any LogIndex else {
            throw TransparencyError.notSearchable(log: url, why: "\(api) keeps no index")
        }
        return try await log.search(term)
    }

    private func notFound(_ asked: String) async throws -> TransparencyError {
        let trees = try await reader.checkpoints().map { TransparencyError.Tree(origin: $0.origin, size: $0.size) }
        return .entryNotFound(log: url, asked: asked, trees: trees)
    }

    /// The ids of the keys that it signs its trees with, of those that are trusted; without any trust none.
    package func logIDs() async throws -> Set<[UInt8]> {
        guard let checkpoints else { return [] }
        var ids: Set<[UInt8]> = []
        for checkpoint in try await reader.checkpoints() {
            // this only tells logs apart: a checkpoint that nobody trusted signed is refused where it counts
            if let verified = try? checkpoints.verify(checkpoint) { ids.insert(verified.log.logID) }
        }
        return ids
    }

    /// What the log says about itself.
    package func state() async throws -> LogState {
        var trees: [LogState.Tree] = []
        var total: UInt64 = 0
        for (place, checkpoint) in try await reader.checkpoints().enumerated() {
            var tree = LogState.Tree(checkpoint, isActive: place == 0)
            if let checkpoints {
                do throws(SigstoreError) {
                    let verified = try checkpoints.verify(checkpoint)
                    tree.signedBy = verified.log.baseURL
                    tree.witnesses = verified.cosignatures.map { .init(name: $0.witness, cosignedAt: $0.time) }
                } catch {
                    tree.problem = error.observed
                }
            }
            total += checkpoint.size
            trees.append(tree)
        }
        return LogState(log: url, version: api.version, size: total, isJudged: checkpoints != nil, trees: trees)
    }

    /// Verifies that the log holds an entry under the newest of its checkpoints, and that nothing it said before is undone.
    ///
    /// - Parameter known: the entry as a signature brought it: it must be the same, and the checkpoint it came with must be
    ///   an earlier state of the same tree.
    /// - Parameter store: what the log said before; the newest checkpoints must extend it, and are remembered with it.
    /// - Returns: the checks that were made.
    /// - Throws: ``VerificationError`` for what does not hold, ``TransparencyError`` for an entry that is another,
    ///   ``SigstoreError/logInconsistent(log:detail:)`` for a log that contradicts what it said before.
    package func verify(
        _ entry: TlogEntry, known: TlogEntry? = nil, remembering store: (any CheckpointStore)? = nil
    ) async throws -> [LogCheck] {
        guard let verifier, let checkpoints else { throw TransparencyError.needsTrust(log: url) }
        var checks = try verifier.verify(entry).map { LogCheck($0) }
        if let known {
            guard known.canonicalizedBody == entry.canonicalizedBody else {
                throw TransparencyError.otherEntry(
                    log: url, asked: "index \(known.logIndex)", detail: "its body is not the one that was signed for")
            }
            checks.append(LogCheck(check: "entry", seen: "the body that came with the signature", against: url))
        }
        guard let proof = entry.inclusionProof else { throw VerificationError(.inclusionProof, "no proof") }
        let proven = try Checkpoint(note: proof.checkpoint)
        guard let latest = try await reader.checkpoints().first(where: { $0.origin == proven.origin }) else {
            throw VerificationError(.checkpoint, "no tree of \(url) is called \"\(proven.origin)\" any more")
        }
        let newest = try checkpoints.verify(latest).checkpoint
        var earlier = [("the entry's checkpoint", proven)]
        if let note = known?.inclusionProof?.checkpoint, let stored = try? Checkpoint(note: note),
            stored.origin == newest.origin
        {
            earlier.append(("the signature's checkpoint", try checkpoints.verify(stored).checkpoint))
        }
        for (name, checkpoint) in earlier {
            let (first, second) = checkpoint.size <= newest.size ? (checkpoint, newest) : (newest, checkpoint)
            if let why = try await reader.disproof(of: first, before: second) {
                guard why.isContradiction else {
                    throw LogContradiction(first, noPrefixOf: second, why).doubt(at: url)
                }
                throw VerificationError(
                    .checkpoint,
                    "the tree of \(first.size) leaves is no prefix of that of \(second.size), both signed: \(why)")
            }
            checks.append(
                LogCheck(
                    check: "consistency", seen: "\(name), of \(checkpoint.size) leaves",
                    against: "the newest, of \(newest.size) leaves"))
        }
        if let store { checks.append(try await remember(in: store, origin: newest.origin, checkpoints)) }
        return checks
    }

    private func remember(
        in store: any CheckpointStore, origin: String, _ verifier: CheckpointVerifier
    ) async throws -> LogCheck {
        let before = try await store.proven(origin: origin)?.size
        let finding = try await ConsistencyCheck(reader, verifier: verifier, store: store).look()
        if let contradiction = finding.contradiction {
            throw SigstoreError.logInconsistent(log: url, detail: contradiction.detail)
        }
        if let doubt = finding.doubt(of: origin, at: url) { throw doubt }
        let size = finding.newest.first { $0.checkpoint.origin == origin }?.checkpoint.size ?? 0
        return LogCheck(
            check: "history", seen: "its tree of \(size) leaves \(LogConfirmation.history(of: size, known: before))",
            against: before == nil ? nil : "what this log said before")
    }
}
