import OCI

/// Takes what we published out of what a registry lists: referrers out of the fallback index, layers out of the legacy tags.
///
/// Manifests and blobs stay, unless the configuration gives a credential for deleting: then what was revoked is deleted as
/// well, after the lists were mended. A registry that lists referrers by itself goes on listing what is not deleted, and
/// that is said; a signature stays there as long as a document that cannot be deleted does. Safe to repeat: what is not
/// listed any more is passed over, what is gone is gone.
struct Withdrawal: Sendable {
    let journal: Journal
    let subjects: SubjectTurns
    /// What may be deleted.
    private let proof: DeletionProof

    init(journal: Journal, subjects: SubjectTurns, signers: Signers) {
        self.journal = journal
        self.subjects = subjects
        proof = DeletionProof(signers: signers, journal: journal)
    }

    /// The signatures of earlier generations, once the newest one stands. They are never deleted. In a format of the rule in
    /// which the newest was not asked for they stay: nothing would stand in their place.
    ///
    /// An artifact whose documents are listed as bundles keeps a signature that is one, also where the newest is of the older
    /// format alone: cosign looks at nothing else where it sees a bundle, and would not find the newest.
    func olderThan(_ order: SigningOrder, _ claim: Claim) async throws {
        let (target, place) = (order.target, order.place)
        let kept = try await keptBundle(order)
        let unasked = Set(order.rule.formats).subtracting(order.formats)
        let published = try await journal.published(for: target, before: target.generation).filter {
            !$0.isShared(at: place, target) && $0.evidenceID != kept && !unasked.contains($0.format)
        }
        guard !published.isEmpty else { return }
        // whatever the newest one stands as stays, also where an older one stands as the same
        let newest = Set(try await journal.liveEvidence(of: target).values.compactMap(\.attachment?.digest))
        let older = published.filter { !newest.contains($0.digest) }
        guard !older.isEmpty else { return }
        let isUnlisted = try await subjects.taking(target, at: place.repository, for: claim) {
            try await unlist(older, target, place)
        }
        var act = AuditLog.Entry(action: "artifact.withdraw", byDaemon: ())
        (act.repository, act.subject) = (target.repository.description, target.digest.description)
        act.detail =
            "earlier generations unlisted\(isUnlisted ? "" : " where they are layers"), generation \(target.generation)"
        try await journal.removed(
            isUnlisted ? older : older.filter { $0.format == .legacy }, writing: act, for: claim)
    }

    /// The evidence of the last signature as a bundle, where it has to stay; nil where none has to.
    private func keptBundle(_ order: SigningOrder) async throws -> Int64? {
        guard !order.rule.formats.contains(.bundle) else { return nil }
        let bundles = try await journal.published(for: order.target, before: nil).filter { $0.format == .bundle }
        guard bundles.contains(where: { $0.kind == .attestation }) else { return nil }
        return bundles.last { $0.kind == .signature }?.evidenceID
    }

    /// Everything of ours on the artifact, attestations among it: stock cosign takes any bundle beside an image for a
    /// signature.
    /// - Throws: ``OCIError/deletionRefused(_:)``, which whoever gives credentials can mend, and what is tried again.
    func everything(_ target: Target, _ place: SignaturePlace, _ claim: Claim) async throws -> Outcome {
        let found = try await journal.published(for: target, before: nil, undeleted: place.deletion != nil)
        let published = found.filter { !$0.isShared(at: place, target) }
        // the same manifest at the same place is the signature of the same image in another repository, which stands
        let shared = found.count > published.count ? Self.shared(target, place) : nil
        guard !published.isEmpty else { return .withdrawn(isUnlisted: shared == nil, undeleted: shared) }
        return try await subjects.taking(target, at: place.repository, for: claim) { () async throws -> Outcome in
            let isUnlisted = try await unlist(published, target, place)
            try await journal.removed(isUnlisted ? published : published.filter { $0.format == .legacy }, for: claim)
            guard let deletion = place.deletion else {
                return .withdrawn(isUnlisted: isUnlisted && shared == nil, undeleted: shared)
            }
            let found = try await deletable(of: published.filter { $0.format == .bundle }, target, place)
            try await journal.removed(found.missing, deleted: true, for: claim)
            do { try await delete(found.ours, place, deletion) } catch let error as OCIError {
                guard case .deletionUnsupported = error else { throw error }
                let failed = AttemptFailure(StageFailure(stage: .publish, underlying: error))
                return .withdrawn(isUnlisted: isUnlisted, undeleted: found.left ?? failed.failure)
            }
            try await journal.removed(found.ours, deleted: true, for: claim)
            return .withdrawn(
                isUnlisted: (isUnlisted || !found.isListed) && shared == nil, undeleted: found.left ?? shared)
        }
    }

    /// What is to be deleted of the bundles, and what is known of the others.
    private struct Deletable {
        let ours: [PublishedAttachment]
        /// Nothing shows whose it was, and the registry does not have it any more: somebody deleted it by hand.
        let missing: [PublishedAttachment]
        /// What is to be said of what stays.
        let left: Failure?
        /// Whether the registry lists something of that.
        let isListed: Bool
    }

    /// A document that stays and is listed keeps its signature: stock cosign takes it for one, and looks no further.
    private func deletable(
        of bundles: [PublishedAttachment], _ target: Target, _ place: SignaturePlace
    ) async throws -> Deletable {
        var sorted = try await proof.sorted(bundles, on: target)
        var (served, missing): ([PublishedAttachment], [PublishedAttachment]) = ([], [])
        for bundle in sorted.unproven {
            if try await place.registry.serves(place.repository.name, bundle.digest) {
                served.append(bundle)
            } else {
                missing.append(bundle)
            }
        }
        sorted.unproven = served
        let left = sorted.notOurs + sorted.unproven
        var listed: [PublishedAttachment] = []
        if !left.isEmpty {
            let digests = try await place.registry.referrers(place.repository.name, of: target.digest).descriptors
                .map(\.digest)
            listed = left.filter { digests.contains($0.digest) }
        }
        let keepsSignature = listed.contains { $0.kind == .attestation }
        let kept = sorted.ours.filter { keepsSignature && $0.kind == .signature }
        return Deletable(
            ours: sorted.ours.filter { !keepsSignature || $0.kind == .attestation }, missing: missing,
            left: sorted.left(on: target, with: kept), isListed: !listed.isEmpty)
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

    /// Deletes, and looks with the ordinary credential whether they are gone: documents first, so that none is left without a
    /// signature if this ends between two of them.
    private func delete(
        _ bundles: [PublishedAttachment], _ place: SignaturePlace, _ deletion: ManifestDeletion
    ) async throws {
        let name = place.repository.name
        let ordered = bundles.filter { $0.kind == .attestation } + bundles.filter { $0.kind == .signature }
        var seen: Set<Digest> = []
        for digest in ordered.map(\.digest) where seen.insert(digest).inserted {
            // also where the registry says that it had none: it may say so to whoever has no right to delete, or of another
            // copy than the one that is served
            _ = try await deletion.delete(name, digest)
            if try await place.registry.serves(name, digest) { throw OCIError.deletedStillServed(digest) }
        }
    }
}

extension Withdrawal {
    private static func shared(_ target: Target, _ place: SignaturePlace) -> Failure {
        Failure(
            code: "withdrawal.shared", stage: SigningStage.publish.rawValue,
            observed:
                "\(place.repository) has one manifest for \(target.digest) in several repositories; it was left there",
            fix: "revoke it in the other repositories, too")
    }
}

extension PublishedAttachment {
    /// Whether another repository has its signature in the very same manifest.
    fileprivate func isShared(at place: SignaturePlace, _ target: Target) -> Bool {
        isOfOthers && place.repository != target.repository
    }
}
