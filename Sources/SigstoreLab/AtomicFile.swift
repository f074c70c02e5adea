import Dispatch
import FoundationEssentials
import Glibc

/// Small files that are whole or not there. The calls block: they are for starting and for the token's own queue.
enum AtomicFile {
    /// The text of a file without white space at its end; `nil` if there is none.
    static func read(_ path: String) throws -> String? {
        guard access(path, F_OK) == 0 else { return nil }
        let data = try Data(contentsOf: URL(filePath: path))
        var text = String(decoding: data, as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// Writes a new file beside the old and renames it over: readers see one or the other. Readable by the owner only.
    static func write(_ text: String, to path: String) throws(LabError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(temporary) }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(temporary) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure(path) }
    }

    /// The same, off the cooperative pool; writes come in the order in which they were asked for.
    static func write(_ text: String, aside path: String) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            queue.async {
                continuation.resume(with: Result { try write(text, to: path) })
            }
        }
    }

    private static let queue = DispatchQueue(label: "lab.files")

    /// Makes a folder that only the owner can enter, if it is not there.
    static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private static func failure(_ path: String) -> LabError {
        .storage(path: path, reason: String(cString: strerror(errno)))
    }
}
