import OCI

/// Takes what we published out of what a registry lists: referrers out of the fallback index, layers out of the legacy tags.
///
/// Manifests and blobs stay, unless the configuration gives a credential for deleting: then what was revoked is deleted as
/// well, after the lists were mended. A registry that lists referrers by itself goes on listing what is not deleted, and
/// that is said. Safe to repeat: what is not listed any more is passed over, what is gone is gone.
struct Withdrawal: Sendable {
    let journal: Journal
    let subjects: SubjectTurns

    init(journal: Journal, subjects: SubjectTurns) {
        self.journal = journal
        self.subjects = subjects
    }

    /// The signatures of earlier generations, once the newest one stands. They are never deleted.
    func olderThan(_ target: Target, _ place: SignaturePlace, _ claim: Claim) async throws {
        let older = try await journal.published(for: target, before: target.generation)
        guard !older.isEmpty else { return }
        let isUnlisted = try await subjects.taking(target, at: place.repository, for: claim) {
            try await unlist(older, target, place)
        }
        try await journal.removed(isUnlisted ? older : older.filter { $0.format == .legacy }, for: claim)
    }

    /// Everything of ours on the artifact, attestations among it: stock cosign takes any bundle beside an image for a
    /// signature.
    /// - Throws: ``OCIError/deletionRefused(_:)``, which whoever gives credentials can mend, and what is tried again.
    func everything(_ target: Target, _ place: SignaturePlace, _ claim: Claim) async throws -> Outcome {
        let published = try await journal.published(for: target, before: nil, undeleted: place.deletion != nil)
        guard !published.isEmpty else { return .withdrawn(isUnlisted: true, undeleted: nil) }
        return try await subjects.taking(target, at: place.repository, for: claim) { () async throws -> Outcome in
            let isUnlisted = try await unlist(published, target, place)
            try await journal.removed(isUnlisted ? published : published.filter { $0.format == .legacy }, for: claim)
            guard let deletion = place.deletion else { return .withdrawn(isUnlisted: isUnlisted, undeleted: nil) }
            let bundles = published.filter { $0.format == .bundle }
            if let stranger = bundles.first(where: { !$0.isOurs(on: target) }) {
                return .withdrawn(isUnlisted: isUnlisted, undeleted: stranger.isNotOurs(target))
            }
            do { try await delete(bundles, place, deletion) } catch let error as OCIError {
                guard case .deletionUnsupported = error else { throw error }
                let failed = AttemptFailure(StageFailure(stage: .publish, underlying: error))
                return .withdrawn(isUnlisted: isUnlisted, undeleted: failed.failure)
            }
            try await journal.removed(bundles, deleted: true, for: claim)
            return .withdrawn(isUnlisted: true, undeleted: nil)
        }
    }

    /// - Returns: whether the registry lists none of it any more.
    private func unlist(
        _ published: [PublishedAttachment], _ target: Target, _ place: SignaturePlace
    ) async throws -> Bool {
        let (registry, name) = (place.registry, place.repository.name)
        let bundles = published.filter { $0.format == .bundle }
        let isUnlisted = try await registry.dropFromFallbackIndex(
            name, subject: target.digest, referrers: Set(bundles.map(\.digest)))
        for kind in LegacyKind.allCases {
            let layers = published.filter { $0.format == .legacy && $0.kind == kind }
            try await registry.dropLegacyLayers(layers.map(\.manifest), kind, of: target.digest, in: name)
        }
        return isUnlisted
    }

    /// Deletes, and looks with the ordinary credential whether they are gone.
    private func delete(
        _ bundles: [PublishedAttachment], _ place: SignaturePlace, _ deletion: ManifestDeletion
    ) async throws {
        let name = place.repository.name
        for digest in Set(bundles.map(\.digest)) {
            guard try await deletion.delete(name, digest), try await place.registry.serves(name, digest) else {
                continue
            }
            throw OCIError.deletedStillServed(digest)
        }
    }
}

extension PublishedAttachment {
    /// Whether our own record makes it ours: the manifest that we rendered has this digest, and names this subject.
    fileprivate func isOurs(on target: Target) -> Bool {
        guard format == .bundle, digest.matches(manifest),
            let kept = try? Manifest(bytes: manifest, mediaType: MediaType.ociManifest)
        else { return false }
        return kept.subject?.digest == target.digest
    }

    fileprivate func isNotOurs(_ target: Target) -> Failure {
        Failure(
            code: "deletion.not_ours", stage: SigningStage.publish.rawValue,
            observed: "our record of \(digest) is not a manifest of ours on \(target.digest); nothing was deleted",
            fix: "somebody changed the table attachment: look who can write to the database")
    }
}
