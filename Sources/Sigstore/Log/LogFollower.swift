import Curl

/// A log that can be read from one end to the other, for whoever watches what is entered in it.
public protocol LogFollower: Sendable {
    /// The log's URL.
    var id: String { get }

    /// Entries that can be read now: one more than the newest index.
    func size() async throws(SigstoreError) -> Int64

    /// The entries from an index on, as many as one or a few requests give and at most `limit`; fewer than there are is no
    /// end. Each is bound to its index and body by the log; inclusion in a checkpoint is proven for Rekor v2 only.
    /// - Throws: ``SigstoreError/badAnswer(_:detail:answerMayBeLost:)`` for what does not fit its place.
    func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry]
}

extension RekorV1 {
    /// `GET /api/v1/log`, all trees together.
    public func size() async throws(SigstoreError) -> Int64 { try await logInfo().totalSize }

    /// The most entries that a log gives at once.
    private static let atOnce = 10

    /// `POST /api/v1/log/entries/retrieve` by index: ten. Where that is not to be had, of the end of the log or because it is too much
    /// to read, `GET /api/v1/log/entries?logIndex=`: one.
    public func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
        if limit > 1 {
            do throws(SigstoreError) {
                return try await retrieve((0..<Int64(min(limit, Self.atOnce))).map { index &+ $0 })
            } catch {
                switch error {
                case .refused, .badAnswer, .unavailable: break
                default: throw error
                }
            }
        }
        guard limit > 0, let entry = try await entry(index: index) else { return [] }
        guard entry.logIndex == index else {
            throw .badAnswer(
                .rekor, detail: "asked for entry \(index), it gave \(entry.logIndex)", answerMayBeLost: false)
        }
        return [entry]
    }

    private func retrieve(_ indexes: [Int64]) async throws(SigstoreError) -> [TlogEntry] {
        let question = Array("{\"logIndexes\":[\(indexes.map(String.init).joined(separator: ","))]}".utf8)
        let response = try await upstream.post("/api/v1/log/entries/retrieve", question, type: "application/json")
        guard response.status == 200 else { throw upstream.failure(response, posted: false) }
        let found = try answer { () throws(SigstoreError) in try RekorAnswer.entries(in: response.body) }
            .sorted { $0.logIndex < $1.logIndex }
        guard found.map(\.logIndex) == indexes else {
            throw .badAnswer(
                .rekor, detail: "asked for the entries \(indexes), it gave \(found.map(\.logIndex))",
                answerMayBeLost: false)
        }
        return found
    }
}

extension RekorV2 {
    /// That of the newest checkpoint, once it was verified.
    public func size() async throws(SigstoreError) -> Int64 { Int64(clamping: try await newestView().tree.size) }

    /// The rest of the entry bundle that has the index, each entry held against the leaf that the checkpoint covers.
    public func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
        guard limit > 0, let first = UInt64(exactly: index), let view = try await view(covering: first) else {
            return []
        }
        let tree = view.tree
        let start = first & ~0xFF
        let width = Int(min(256, tree.size - start))
        let bodies = try await bundle(TilePath(kind: .entries, index: first >> 8, width: width))
        var entries: [TlogEntry] = []
        for position in Int(first - start)..<min(width, Int(first - start) + limit) {
            let leaf = start + UInt64(position)
            entries.append(try await entry(leaf, bodies[position], in: view))
        }
        return entries
    }
}
