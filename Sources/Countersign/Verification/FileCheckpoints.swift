import FoundationEssentials
import OpenSSL
package import Sigstore

/// Checkpoints of logs in files of one user: what somebody without a database remembers from one run to the next.
///
/// One file for each tree, replaced as a whole. Of two runs at once the later write stays: what the other saw is then seen
/// again at its next look, and nothing that was proven is lost but the size up to which it was.
package struct FileCheckpoints: CheckpointStore {
    /// The folder; made when there is something to remember.
    private let folder: String

    /// Checkpoints that are kept until they are proven.
    private static let pendingLimit = 32

    package init(folder: String) { self.folder = folder }

    /// `$XDG_STATE_HOME/countersign/logs`, or below `.local/state` of the home folder.
    package static func defaultFolder(_ environment: [String: String]) -> String {
        let home = environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        return (home ?? "\(environment["HOME"] ?? ".")/.local/state") + "/countersign/logs"
    }

    /// A file's content: signed notes, so that anybody can check them.
    private struct Kept: Codable {
        var origin: String
        var proven: String?
        var pending: [String] = []

        func checkpoints() throws(SigstoreError) -> (proven: Checkpoint?, pending: [Checkpoint]) {
            var checkpoints: [Checkpoint] = []
            for note in pending { checkpoints.append(try Checkpoint(note: note)) }
            return (try proven.map { (note) throws(SigstoreError) in try Checkpoint(note: note) }, checkpoints)
        }
    }

    package func proven(origin: String) async throws -> Checkpoint? { try read(origin).checkpoints().proven }

    package func pending(origin: String, limit: Int) async throws -> [Checkpoint] {
        Array(try read(origin).checkpoints().pending.sorted { $0.size > $1.size }.prefix(limit))
    }

    package func record(_ checkpoint: Checkpoint) async throws -> Checkpoint? {
        var kept = try read(checkpoint.origin)
        let (proven, pending) = try kept.checkpoints()
        let known = (pending + (proven.map { [$0] } ?? [])).filter { $0.size == checkpoint.size }
        if let other = known.first(where: { $0.rootHash != checkpoint.rootHash }) {
            // both notes are the evidence; the look that reports them records nothing more
            return other
        }
        guard known.isEmpty else { return nil }
        kept.pending = ([checkpoint] + pending).sorted { $0.size > $1.size }.prefix(Self.pendingLimit).map(\.note)
        try write(kept)
        return nil
    }

    package func prove(_ checkpoints: [Checkpoint]) async throws {
        guard let largest = checkpoints.last else { return }
        var kept = try read(largest.origin)
        let (proven, pending) = try kept.checkpoints()
        if proven.map({ $0.size <= largest.size }) ?? true { kept.proven = largest.note }
        let sizes = Set(checkpoints.map(\.size))
        kept.pending = pending.filter { !sizes.contains($0.size) }.map(\.note)
        try write(kept)
    }

    /// Keeps two checkpoints that cannot both be true, for the log's operator and for everybody else.
    /// - Returns: the file.
    @discardableResult
    package func keep(_ contradiction: LogContradiction) throws -> String {
        let path = path(contradiction.origin) + ".contradiction"
        try makeFolder()
        let text = "\(contradiction.detail)\n\n\(contradiction.first.note)\n\(contradiction.second.note)"
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        return path
    }

    /// An origin is a log's own word: letters and digits of it for readers, its hash against collisions.
    private func path(_ origin: String) -> String {
        let name = origin.prefix(80).map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") ? $0 : "_" }
        return "\(folder)/\(String(name))-\(Hex.encode(Array(Hash.sha256(Array(origin.utf8)).prefix(4)))).json"
    }

    /// - Throws: also for a file that cannot be read: what a log said is never forgotten by accident.
    private func read(_ origin: String) throws -> Kept {
        let path = path(origin)
        guard FileManager.default.fileExists(atPath: path) else { return Kept(origin: origin) }
        do {
            let kept = try JSONDecoder().decode(Kept.self, from: Data(contentsOf: URL(filePath: path)))
            guard kept.origin == origin else { throw LogStateError(path: path, why: "it is of another tree") }
            _ = try kept.checkpoints()
            return kept
        } catch let error as LogStateError {
            throw error
        } catch {
            throw LogStateError(path: path, why: "\(error)")
        }
    }

    private func write(_ kept: Kept) throws {
        try makeFolder()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(kept).write(to: URL(filePath: path(kept.origin)), options: .atomic)
    }

    private func makeFolder() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
}

/// What was remembered of a log cannot be read: neither forgotten nor believed, until somebody has looked at the file.
package struct LogStateError: Error, Sendable {
    package let path: String
    package let why: String

    package var code: String { "log.state_unreadable" }
    package var observed: String { "\(path): what was remembered of the log cannot be read: \(why)" }
    package var fix: String { "mend the file; or remove it, and the log's history counts from today on" }
}
