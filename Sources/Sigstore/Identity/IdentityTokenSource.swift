import FoundationEssentials
import Glibc

/// Where identity tokens come from. Every call gives the token of that moment: tokens rotate.
public protocol IdentityTokenSource: Sendable {
    /// The present token.
    /// - Throws: ``SigstoreError/identity(_:)``.
    func token() async throws(SigstoreError) -> IdentityToken

    /// Where it looks, for messages.
    var description: String { get }
}

/// A file that someone else renews, such as a projected Kubernetes service-account token; read again on each use.
public struct FileTokenSource: IdentityTokenSource {
    /// The file's path.
    public let path: String

    /// A source over the file at `path`; the file need not exist yet.
    public init(path: String) { self.path = path }

    public var description: String { "file \(path)" }

    /// Whether others than the owner and group may read the file: worth a warning, not a refusal, since kubelet sets the mode.
    public var isReadableByEveryone: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
    }

    public func token() async throws(SigstoreError) -> IdentityToken {
        // a few kilobytes of a local file: not worth a thread hop
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw missing(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: IdentityToken.maxBytes + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                read(descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw missing(String(cString: strerror(errno))) }
            if count == 0 { break }
            filled += count
        }
        guard filled > 0 else { throw missing("the file is empty") }
        guard let text = String(validating: bytes[..<filled], as: UTF8.self) else {
            throw .identity(.malformed("the file is not text"))
        }
        return try IdentityToken(text)
    }

    private func missing(_ detail: String) -> SigstoreError { .identity(.missing(source: description, detail: detail)) }
}

/// An environment variable, for continuous-integration jobs and trials; it cannot rotate within a process.
public struct EnvironmentTokenSource: IdentityTokenSource {
    /// The variable's name.
    public let variable: String

    /// A source over an environment variable.
    public init(variable: String) { self.variable = variable }

    public var description: String { "environment variable \(variable)" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        guard let value = getenv(variable), value.pointee != 0 else {
            throw .identity(.missing(source: description, detail: "not set or empty"))
        }
        return try IdentityToken(String(cString: value))
    }
}
