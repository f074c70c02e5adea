import FoundationEssentials
import OpenSSL
import StrictJSON

/// How we present ourselves to one registry. Nothing here prints a secret.
public enum Credentials: Sendable, Equatable, CustomStringConvertible {
    /// A secret held in memory; its descriptions say only that there is one.
    public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable
    {
        let value: String

        /// Wraps the plain text of a password or token.
        public init(_ value: String) { self.value = value }

        public var description: String { "[redacted]" }
        public var debugDescription: String { "[redacted]" }
        public var customMirror: Mirror { Mirror(self, children: [:]) }
    }

    case anonymous
    /// For a Basic challenge, and presented to the token realm for a Bearer challenge.
    case basic(username: String, password: Secret)
    /// An OAuth 2 refresh token (`identitytoken` of Docker's config.json), exchanged at the token realm.
    case identityToken(Secret)
    /// A registry token used as it is (`registrytoken` of Docker's config.json).
    case bearer(Secret)

    /// The kind and, for `basic`, the user; never the secret.
    public var description: String {
        switch self {
        case .anonymous: "anonymous"
        case .basic(let username, _): "basic \(username)"
        case .identityToken: "identity token"
        case .bearer: "bearer token"
        }
    }

    /// `Basic base64(user:password)` (RFC 7617 §2).
    static func basicField(_ username: String, _ password: Secret) -> String {
        "Basic " + Base64.encode(Array("\(username):\(password.value)".utf8))
    }
}

/// Docker's `config.json`: credentials by registry host.
public struct DockerConfig: Sendable {
    /// A longer file is not a Docker config.
    public static let byteLimit = 1 << 20

    private let entries: [String: Credentials]
    private let helpers: [String: String]
    private let store: String?

    /// Reads the file at `path`.
    /// - Throws: `OCIError.credentials` when it cannot be read or understood.
    public init(path: String) throws(OCIError) {
        guard let content = FileManager.default.contents(atPath: path) else {
            throw .credentials("cannot read \(path)")
        }
        try self.init(json: [UInt8](content))
    }

    /// Reads the JSON text.
    /// - Throws: `OCIError.credentials`, which names the host of a broken entry and never its content.
    public init(json: [UInt8]) throws(OCIError) {
        guard json.count <= Self.byteLimit else { throw .credentials("config.json is larger than 1 MiB") }
        let document: JSONValue
        do { document = try JSONValue(parsing: json) } catch { throw .credentials("config.json: \(error)") }
        guard case .object = document else { throw .credentials("config.json: not a JSON object") }

        var entries: [String: Credentials] = [:]
        for (key, value) in try document.members("auths") {
            guard let credentials = try Self.credentials(value, of: key) else { continue }
            entries[Self.host(of: key)] = credentials
        }
        var helpers: [String: String] = [:]
        for (key, value) in try document.members("credHelpers") { helpers[Self.host(of: key)] = value.text ?? "?" }
        self.entries = entries
        self.helpers = helpers
        self.store = document["credsStore"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The credentials for `registry` (`host[:port]`); anonymous when the file does not mention it.
    /// - Throws: `OCIError.credentialHelper` when the file delegates to a program. Going on without credentials would
    ///   turn "not asked" into "has none".
    public func credentials(for registry: String) throws(OCIError) -> Credentials {
        let host = Self.host(of: registry)
        if let helper = helpers[host] { throw .credentialHelper(host: host, helper: helper) }
        if let credentials = entries[host] { return credentials }
        if let store { throw .credentialHelper(host: host, helper: store) }
        return .anonymous
    }

    /// Keys are hosts, or URLs from older clients (`https://index.docker.io/v1/`).
    private static func host(of key: String) -> String {
        var rest = key[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        return rest.prefix { $0 != "/" }.lowercased()
    }

    /// `nil` for an entry that is there but empty, as Docker leaves it when a helper keeps the secret.
    private static func credentials(_ entry: JSONValue, of host: String) throws(OCIError) -> Credentials? {
        guard case .object = entry else { throw .credentials("config.json: auths of \(host) is not an object") }
        if let token = entry["identitytoken"]?.text, !token.isEmpty { return .identityToken(.init(token)) }
        if let token = entry["registrytoken"]?.text, !token.isEmpty { return .bearer(.init(token)) }
        if let auth = entry["auth"]?.text, !auth.isEmpty {
            guard let decoded = Base64.decode(auth), let pair = String(validating: decoded, as: UTF8.self),
                let colon = pair.firstIndex(of: ":"), colon > pair.startIndex
            else { throw .credentials("config.json: auth of \(host) is not base64 of user:password") }
            return .basic(username: String(pair[..<colon]), password: .init(String(pair[pair.index(after: colon)...])))
        }
        if let username = entry["username"]?.text, let password = entry["password"]?.text, !username.isEmpty {
            return .basic(username: username, password: .init(password))
        }
        return nil
    }
}

extension JSONValue {
    /// The members of the object of that name; none when it is absent.
    fileprivate func members(_ name: String) throws(OCIError) -> [(String, JSONValue)] {
        switch self[name] {
        case .none, .null: return []
        case .object(let object): return object.members.map { ($0.name, $0.value) }
        default: throw .credentials("config.json: \(name) is not an object")
        }
    }
}
