/// Something that every signature needs and that may be down or busy: what has a budget and a circuit breaker.
package struct Dependency: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        case fulcio, tsa, rekor, identity, registry
    }

    package let kind: Kind
    /// The URL of a service, the canonical name of a registry, an identity's name in the configuration.
    package let name: String

    package init(_ kind: Kind, _ name: String) {
        self.kind = kind
        // one service, however its address is spelled
        self.name = kind != .registry && name.hasSuffix("/") ? String(name.dropLast()) : name
    }

    /// `rekor https://rekor.example.com`, as in `last_error.upstream`.
    package var description: String { "\(kind.rawValue) \(name)" }
}
