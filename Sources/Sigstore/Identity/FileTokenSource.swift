import FoundationEssentials
import Glibc

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
        try IdentityToken(try text())
    }

    /// The content of the file, for sources that send it on; at most ``IdentityToken/maxBytes``.
    func text() throws(SigstoreError) -> String {
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
        guard filled <= IdentityToken.maxBytes else {
            throw .identity(.malformed("\(description) is longer than \(IdentityToken.maxBytes) bytes"))
        }
        guard let text = String(validating: bytes[..<filled], as: UTF8.self) else {
            throw .identity(.malformed("the file is not text"))
        }
        return text
    }

    private func missing(_ detail: String) -> SigstoreError { .identity(.missing(source: description, detail: detail)) }
}

/// A rotating file whose path an environment variable names, as the cloud's webhooks set it in a pod:
/// `AWS_WEB_IDENTITY_TOKEN_FILE` (IRSA), `AZURE_FEDERATED_TOKEN_FILE` (AKS workload identity).
public struct NamedFileTokenSource: IdentityTokenSource {
    /// The variable's name.
    public let variable: String
    private let environment: EnvironmentReader

    /// A source over the file that `variable` names at each use.
    public init(variable: String, environment: EnvironmentReader = .process) {
        self.variable = variable
        self.environment = environment
    }

    public var description: String { "the file that \(variable) names" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let path = try environment.required(variable, for: description, setBy: "the cloud's pod webhook")
        return try await FileTokenSource(path: path).token()
    }
}
