import Glibc

/// The append-only file below a log: one record a line. Every call blocks; only `DurableLog`'s queue makes them.
final class LogFile: @unchecked Sendable {  // the descriptor is never changed; the queue of the owner orders the writes
    private let descriptor: Int32
    private let path: String
    /// Bytes of complete, durable records.
    private(set) var size: Int

    /// Opens or creates the file. A last line without its end was never acknowledged: it is cut off.
    ///
    /// - Parameter record: called for each complete line, with its place in the file.
    init(path: String, record: (_ line: ArraySlice<UInt8>, _ offset: Int) throws -> Void) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        size = 0
        guard descriptor >= 0 else { throw Self.failure(path) }
        var torn: [UInt8] = []
        var end = 0
        while true {
            let chunk = try Self.read(descriptor, path: path, at: end, count: 4 << 20)
            end += chunk.count
            if chunk.isEmpty { break }
            let buffer = torn + chunk
            var start = buffer.startIndex
            while let newline = Self.newline(in: buffer, from: start) {
                try record(buffer[start..<newline], size)
                size += newline - start + 1
                start = newline + 1
            }
            torn = Array(buffer[start...])
        }
        if !torn.isEmpty, ftruncate(descriptor, off_t(size)) != 0 { throw Self.failure(path) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// `memchr`, because a log of 100,000 entries is 300 MB to look through at the start.
    private static func newline(in buffer: [UInt8], from start: Int) -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count,
                let found = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// Writes complete lines and waits until the disk has them. After a failure the file is as it was before.
    func append(_ lines: [UInt8]) throws {
        var written = 0
        while written < lines.count {
            let count = lines[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw undone() }
            written += count
        }
        guard fdatasync(descriptor) == 0 else { throw undone() }
        size += lines.count
    }

    /// The bytes of one record.
    func read(at offset: Int, count: Int) throws -> [UInt8] {
        try Self.read(descriptor, path: path, at: offset, count: count)
    }

    private func undone() -> LabError {
        let failure = Self.failure(path)
        ftruncate(descriptor, off_t(size))
        return failure
    }

    private static func read(_ descriptor: Int32, path: String, at offset: Int, count: Int) throws -> [UInt8] {
        guard count > 0 else { return [] }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
        }
        if bytes.isEmpty, lseek(descriptor, 0, SEEK_END) > off_t(offset) { throw failure(path) }
        return bytes
    }

    private static func failure(_ path: String) -> LabError {
        LabError.storage(path: path, reason: String(cString: strerror(errno)))
    }
}
