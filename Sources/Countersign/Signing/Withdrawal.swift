import OCI

/// Takes what we published out of what a registry lists: referrers out of the fallback index, layers out of the legacy tags.
/// Manifests and blobs stay, since we have no right to delete; a registry that lists referrers by itself goes on listing
/// them, and that is said.
///
/// Safe to repeat: what is not listed any more is passed over.
struct Withdrawal: Sendable {
    let journal: Journal
    let subjects: SubjectTurns

    init(journal: Journal, subjects: SubjectTurns) {
        self.journal = journal
        self.subjects = subjects
    }

    /// The signatures of earlier generations, once the newest one stands.
    func olderThan(_ target: Target, _ place: SignaturePlace, _ claim: Claim) async throws {
        let older = try await journal.published(for: target, before: target.generation)
        _ = try await remove(older, target, place, claim)
    }

    /// Everything of ours on the artifact, attestations among it: stock cosign takes any bundle beside an image for a
    /// signature.
    /// - Returns: whether the registry lists none of it any more.
    func everything(_ target: Target, _ place: SignaturePlace, _ claim: Claim) async throws -> Bool {
        try await remove(try await journal.published(for: target, before: nil), target, place, claim)
    }

    private func remove(
        _ published: [PublishedAttachment], _ target: Target, _ place: SignaturePlace, _ claim: Claim
    ) async throws -> Bool {
        guard !published.isEmpty else { return true }
        let (registry, name) = (place.registry, place.repository.name)
        let bundles = published.filter { $0.format == .bundle }
        let isUnlisted = try await subjects.taking(target, at: place.repository, for: claim) {
            () async throws -> Bool in
            let dropped = try await registry.dropFromFallbackIndex(
                name, subject: target.digest, referrers: Set(bundles.map(\.digest)))
            for kind in LegacyKind.allCases {
                let layers = published.filter { $0.format == .legacy && $0.kind == kind }
                try await registry.dropLegacyLayers(layers.map(\.manifest), kind, of: target.digest, in: name)
            }
            return dropped
        }
        try await journal.removed(isUnlisted ? published : published.filter { $0.format == .legacy }, for: claim)
        return isUnlisted
    }
}
