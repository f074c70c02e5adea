/// A reference to a manifest: `host[:port]/name[:tag][@digest]`.
///
/// The registry must be written. A short name such as `alpine` has no default registry here: a signing service
/// that guesses the registry signs something else than was meant.
public struct Reference: Hashable, Sendable, CustomStringConvertible {
    /// The repository the manifest is in.
    public let repository: Repository
    /// The tag, when one was written.
    public let tag: String?
    /// The digest, when one was written. With a tag and a digest, the digest decides.
    public let digest: Digest?

    /// A reference from its parts.
    /// - Throws: `OCIError.referenceMalformed` when the tag breaks the grammar.
    public init(repository: Repository, tag: String? = nil, digest: Digest? = nil) throws(OCIError) {
        if let tag { try Self.checkTag(tag) }
        self.repository = repository
        self.tag = tag
        self.digest = digest
    }

    /// Parses the written form.
    ///
    /// Order matters: the digest is cut at `@` first, the registry at the first `/`, and only what follows the
    /// *last* `/` may carry a tag. The first `:` may belong to a port (`localhost:5000/app`) or to an IPv6 address.
    /// - Throws: `OCIError.referenceMalformed` or `OCIError.digestMalformed`.
    public init(_ text: String) throws(OCIError) {
        guard text.utf8.count <= 512 else { throw .referenceMalformed(text, "longer than 512 characters") }
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let digest: Digest? = if halves.count == 2 { try Digest(String(halves[1])) } else { nil }

        let named = halves.first ?? ""
        guard let slash = named.firstIndex(of: "/") else {
            throw .referenceMalformed(text, "no registry before a slash; write host/repository")
        }
        let path = named[named.index(after: slash)...]
        let lastComponent = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let colon = path[lastComponent...].firstIndex(of: ":")

        try self.init(
            repository: Repository(registry: String(named[..<slash]), name: String(path[..<(colon ?? path.endIndex)])),
            tag: colon.map { String(path[path.index(after: $0)...]) },
            digest: digest)
    }

    /// `host/name[:tag][@digest]`, which parses back to the same reference.
    public var description: String {
        "\(repository)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// `tag := [A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (distribution specification, "Pulling manifests").
    static func checkTag(_ tag: String) throws(OCIError) {
        guard let first = tag.utf8.first, first.isWord, tag.utf8.count <= 128,
            tag.utf8.allSatisfy({ $0.isWord || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { throw .referenceMalformed(tag, "tag is not 1 to 128 of A-Z a-z 0-9 _ . -") }
    }
}
