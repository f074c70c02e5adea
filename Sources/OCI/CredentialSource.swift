import FoundationEssentials

/// Where the credentials for one registry come from.
///
/// Asked whenever they are to be presented anew: for a challenge, and for a token in place of one that has ended. So what
/// somebody else renews is used from then on, without a restart: the passwords of cloud registries live for hours.
public protocol CredentialSource: Sendable {
    /// What to present now.
    /// - Throws: ``OCIError/credentials(_:)`` when there is nothing that could be read: that is never "has none".
    func current() async throws(OCIError) -> Credentials
}

extension Credentials: CredentialSource {
    /// Themselves: these do not change.
    public func current() -> Credentials { self }
}

/// A registry's entry in Docker's `config.json`, read again at each use.
public struct DockerConfigSource: CredentialSource {
    /// The file's path.
    public let path: String
    /// `host[:port]`, as the file's keys have it.
    public let registry: String

    /// The entry for `registry` in the file at `path`.
    public init(path: String, registry: String) {
        self.path = path
        self.registry = registry
    }

    public func current() throws(OCIError) -> Credentials {
        try DockerConfig(path: path).credentials(for: registry)
    }
}

/// A user whose password is the content of a file, read again at each use; line ends behind it are not part of it.
public struct PasswordFileSource: CredentialSource {
    /// A longer file is not a password. Tokens that are used as passwords have some kilobytes.
    public static let byteLimit = 64 << 10

    /// The user's name.
    public let username: String
    /// The file's path.
    public let path: String

    /// `username` with the password in the file at `path`.
    public init(username: String, path: String) {
        self.username = username
        self.path = path
    }

    public func current() throws(OCIError) -> Credentials {
        guard let content = FileManager.default.contents(atPath: path) else {
            throw .credentials("cannot read \(path)")
        }
        guard content.count <= Self.byteLimit else { throw .credentials("\(path) is larger than 64 KiB") }
        guard var password = String(bytes: content, encoding: .utf8)?[...] else {
            throw .credentials("\(path) is not UTF-8 text")
        }
        while password.last?.isNewline == true { password.removeLast() }
        guard !password.isEmpty else { throw .credentials("\(path) is empty") }
        return .basic(username: username, password: Credentials.Secret(String(password)))
    }
}
