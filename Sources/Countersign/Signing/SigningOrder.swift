package import OCI

/// What the steps of one attempt need to know of its target.
package struct SigningOrder: Sendable {
    package let target: Target
    /// The manifest that is signed, as the registry serves it.
    package let subject: Descriptor
    package var content: SigningContent
    /// The policy rule that allows it: in which formats, as whom, in which log.
    package let rule: PolicyConfiguration.Rule
    package let claim: Claim
    /// Where its signatures are kept.
    package let place: SignaturePlace
    /// What of ours this one takes the place of: referrer manifests, and blobs under the legacy tag.
    package var superseded: Set<Digest> = []
    /// The rule's formats in the order in which they are published; where fewer were asked for, those.
    package var formats: [SignatureFormat]

    package init(
        target: Target, subject: Descriptor, content: SigningContent, rule: PolicyConfiguration.Rule, claim: Claim,
        place: SignaturePlace
    ) {
        self.target = target
        self.subject = subject
        self.content = content
        self.rule = rule
        self.claim = claim
        self.place = place
        formats = rule.formats(asked: claim.formats)
    }
}

/// A repository that signatures are kept in: the image's own, unless the configuration names another.
package struct SignaturePlace: Sendable {
    package let registry: RegistryClient
    package let repository: Repository
    /// The right to delete there; nil, unless the configuration gives a credential for it.
    package let deletion: ManifestDeletion?

    package init(registry: RegistryClient, repository: Repository, deletion: ManifestDeletion? = nil) {
        self.registry = registry
        self.repository = repository
        self.deletion = deletion
    }
}
