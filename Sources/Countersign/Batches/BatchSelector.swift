package import FoundationEssentials
package import OCI

/// Which artifacts a batch is about, by what our own records say of them (targets, the ledger of tags, refused pushes), or
/// by the tags that registries list, of which we may never have heard.
///
/// All that is given must hold.
package struct BatchSelector: Sendable, Equatable {
    package enum Source: String, Sendable, CaseIterable {
        case records
        /// Tags as they are listed now; where each points is asked when it comes up. Conditions on signatures do not apply:
        /// a batch signs nothing that is signed.
        case registry
    }

    package var source = Source.records
    /// Canonical name.
    package var registry: String?
    /// Over `registry/name`.
    package var repository: Glob?
    /// Over the tags that our ledger has at the digest now; each match is a member of its own.
    package var tag: Glob?
    package var digests: Set<Digest>?
    /// Without a signature of ours, whatever the reason: refused pushes among them.
    package var unsigned = false
    /// Signed, and that before.
    package var signedBefore: Date?
    /// Signed, and with this name in the certificate.
    package var identity: String?

    /// What its asker is confined to: nothing else is selected, and nothing else is listed for it.
    package var scope: TokenScope?

    package init() {}

    func allows(_ repository: Repository) -> Bool {
        (registry.map { repository.registry.utf8.elementsEqual($0.utf8) } ?? true)
            && (self.repository?.matches(repository.description) ?? true) && (scope?.allows(repository) ?? true)
    }

    /// Whether every repository is meant.
    var isOpen: Bool { registry == nil && repository == nil && scope == nil }

    /// Whether only signed artifacts can match.
    var wantsSigned: Bool { signedBefore != nil || identity != nil }
}
