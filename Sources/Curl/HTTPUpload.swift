internal import Glibc

/// A file that is a request's body: read piece by piece while it is sent, never held.
public final class HTTPUpload: Sendable {
    /// Its length when it was opened: what is announced and sent.
    public let size: Int
    private let descriptor: Int32

    /// Opens the file; nil if there is none, or it is no regular file (a pipe has no length to announce).
    public init?(path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads from `offset`; 0 at the end, nil if it cannot be read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int? {
        // what was announced is the most that may be sent, however the file grows meanwhile
        let length = min(buffer.count, size - offset)
        guard length > 0 else { return 0 }
        while true {
            let count = pread(descriptor, buffer.baseAddress, length, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { return nil }
        }
    }
}
