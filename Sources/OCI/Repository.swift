/// A repository on a registry: `host[:port]/name`.
///
/// The grammar is that of the distribution project's `reference` package; its name part is also the distribution
/// specification's `<name>`. A name that passes contains no character that means anything in a URL path.
public struct Repository: Hashable, Sendable, CustomStringConvertible {
    /// The registry's host, lowercase, with its port when one was written.
    public let registry: String
    /// The repository's name on that registry, without the host.
    public let name: String

    /// A repository from its two parts.
    /// - Throws: `OCIError.referenceMalformed` naming the part and the rule it breaks.
    public init(registry: String, name: String) throws(OCIError) {
        try Self.checkRegistry(registry)
        try Self.checkName(name)
        // Hosts are case-insensitive (RFC 3986 §3.2.2): one registry must not be two by spelling.
        self.registry = registry.lowercased()
        self.name = name
        guard self.registry.utf8.count + 1 + name.utf8.count <= 255 else {
            throw .referenceMalformed(description, "longer than 255 characters")
        }
    }

    /// Parses the written form: what is before the first slash is the registry.
    /// - Throws: `OCIError.referenceMalformed`.
    package init(_ text: String) throws(OCIError) {
        guard let slash = text.firstIndex(of: "/") else {
            throw .referenceMalformed(text, "no registry before a slash; write host/repository")
        }
        try self.init(registry: String(text[..<slash]), name: String(text[text.index(after: slash)...]))
    }

    /// `host/name`, which parses back to the same repository.
    public var description: String { "\(registry)/\(name)" }

    /// `name := component *("/" component)`,
    /// `component := alphanumerics *(separator alphanumerics)`, `separator := "." / "_" / "__" / 1*"-"`.
    static func checkName(_ name: String) throws(OCIError) {
        guard name.utf8.count <= 255 else { throw .referenceMalformed(name, "longer than 255 characters") }
        for component in name.split(separator: "/", omittingEmptySubsequences: false) {
            guard isPathComponent(component.utf8) else {
                throw .referenceMalformed(
                    name, "path component \"\(component)\" is not lowercase letters and digits with single separators")
            }
        }
    }

    private static func isPathComponent(_ text: Substring.UTF8View) -> Bool {
        guard let first = text.first, first.isLowercaseAlphanumeric else { return false }
        var separator: [UInt8] = []
        for character in text.dropFirst() {
            if character.isLowercaseAlphanumeric {
                guard isSeparator(separator) else { return false }
                separator = []
            } else {
                separator.append(character)
            }
        }
        return separator.isEmpty
    }

    private static func isSeparator(_ run: [UInt8]) -> Bool {
        switch run {
        case [], [UInt8(ascii: ".")], [UInt8(ascii: "_")], [UInt8(ascii: "_"), UInt8(ascii: "_")]: true
        default: run.allSatisfy { $0 == UInt8(ascii: "-") }
        }
    }

    /// `registry := host [":" port]`, the host a DNS name, an IPv4 address, or an IPv6 address in brackets.
    private static func checkRegistry(_ registry: String) throws(OCIError) {
        guard Authority(registry) != nil else {
            throw .referenceMalformed(registry, "registry is not a host name with an optional port")
        }
    }
}
