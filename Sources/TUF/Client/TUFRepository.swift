/// Where metadata and targets are fetched. Everything it gives is untrusted.
public protocol TUFRepository: Sendable {
    /// A metadata file by its name, which is percent-encoded already, such as `12.root.json`.
    /// - Returns: its bytes; nil if the repository says that it is not there (404, or 403 as object stores answer).
    /// - Throws: ``TUFError/tooLong(file:limit:)`` as soon as more than `limit` bytes come,
    ///   ``TUFError/unreachable(file:_:isTransient:)`` if it could not be asked.
    func metadata(_ name: String, atMost limit: Int) async throws(TUFError) -> [UInt8]?

    /// A target by its path, percent-encoded already except for its slashes. Answers as ``metadata(_:atMost:)`` does.
    func target(_ path: String, atMost limit: Int) async throws(TUFError) -> [UInt8]?
}

/// Bounds against a repository that wants to exhaust us (the X, Y, Z and W of the workflow).
public struct TUFLimits: Sendable {
    /// Longest root.json, in bytes.
    public var rootBytes = 512_000
    /// Longest timestamp.json, in bytes.
    public var timestampBytes = 16_384
    /// Longest snapshot.json where the timestamp states no length.
    public var snapshotBytes = 2_000_000
    /// Longest targets file where the snapshot states no length.
    public var targetsBytes = 5_000_000
    /// Longest target.
    public var targetBytes = 64 << 20
    /// New roots followed in one update; the next update goes on from there.
    public var rootUpdates = 256
    /// Targets roles looked at for one path.
    public var rolesVisited = 32

    /// The bounds python-tuf and go-tuf use.
    public init() {}
}

extension String {
    /// Everything but letters, digits and `-._~` as %XX (RFC 3986 §2.3), so that no name from a repository is a path or
    /// a query.
    func percentEncoded(keeping kept: Character? = nil) -> String {
        utf8.reduce(into: "") { text, byte in
            let character = Character(Unicode.Scalar(byte))
            if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) || character == kept
            {
                text.append(character)
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                text += byte < 16 ? "%0\(hex)" : "%\(hex)"
            }
        }
    }
}
