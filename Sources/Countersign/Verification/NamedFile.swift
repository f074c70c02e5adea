import Glibc
import OpenSSL

/// A file that somebody named, which may be a pipe (`<(…)`): read in pieces, and held whole only as far as somebody said.
package struct NamedFile {
    package let path: String
    /// It is open already, and stays so: standard input.
    private let descriptor: Int32?

    package init(path: String) { (self.path, descriptor) = (path, nil) }

    /// What a command's argument names: `-` is standard input.
    package init(argument: String) { (path, descriptor) = (argument, argument == "-" ? STDIN_FILENO : nil) }

    /// The most bytes of an artifact that are held at once, where hashing it in pieces will not do.
    package static let heldLimit = 256 << 20

    /// SHA-256 of a file of any size.
    func sha256() throws(BundleFileError) -> [UInt8] {
        var stream = SHA256Stream()
        try read { part in
            stream.update(part)
            return true
        }
        return stream.finish()
    }

    /// All of it.
    /// - Throws: also for a larger file, of which no more is read than it takes to see that.
    package func contents(atMost limit: Int) throws(BundleFileError) -> [UInt8] {
        var bytes: [UInt8] = []
        try read { part in
            bytes += part
            return bytes.count <= limit
        }
        guard bytes.count <= limit else { throw BundleFileError(path: path, limit: limit) }
        return bytes
    }

    /// - Parameter take: whether the rest is wanted.
    private func read(_ take: ([UInt8]) -> Bool) throws(BundleFileError) {
        let open = descriptor ?? Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard open >= 0 else { throw BundleFileError(path: path) }
        defer { if descriptor == nil { _ = Glibc.close(open) } }
        // not larger: the daemon reads small files every few seconds, and the heap would keep a place for it
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(open, &part, part.count)
            guard count >= 0 else { throw BundleFileError(path: path) }
            guard count > 0, take(count == part.count ? part : Array(part.prefix(count))) else { return }
        }
    }
}
