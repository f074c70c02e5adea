import Glibc

/// An advisory lock that ends with its process, however that ends.
final class FolderLock: Sendable {
    private let descriptor: Int32

    /// Waits for the lock without blocking a thread.
    init(path: String, patience: Duration) async throws(TUFError) {
        descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .cache("cannot open \(path): errno \(errno)") }
        let deadline = ContinuousClock.now + patience
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let fault = errno
            guard fault == EWOULDBLOCK || fault == EINTR else { throw .cache("cannot lock \(path): errno \(fault)") }
            guard ContinuousClock.now < deadline else { throw .cache("\(path) is held by another update") }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { throw .cache("cancelled") }
        }
    }

    /// Lets the next one in; so does the end of the object.
    func release() { _ = flock(descriptor, LOCK_UN) }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
