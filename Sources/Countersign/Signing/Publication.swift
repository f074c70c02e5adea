import FailPoints
import Logging
import OCI
import Sigstore

/// Puts a verified signature where its readers look, and believes it only once the registry serves it.
package struct Publication: Sendable {
    let journal: Journal
    let subjects: SubjectTurns

    package init(journal: Journal, subjects: SubjectTurns) {
        self.journal = journal
        self.subjects = subjects
    }

    /// Publishes unless the registry already serves it, and reads it back; both are recorded.
    /// - Parameter shared: the bundle, where other subjects of the repository have the same one.
    /// - Returns: the manifest in which the registry serves it.
    @discardableResult
    func publish(
        _ logged: LoggedEvidence, _ order: SigningOrder, _ trace: AttemptTrace, sharing shared: SharedBundle? = nil
    ) async throws -> Digest {
        let evidence = logged.evidence
        switch logged.artefact {
        case .referrer(let referrer, let bundle):
            let artefact = BundleArtefact(referrer: referrer, bundle: bundle, shared: shared)
            return try await publish(artefact, of: evidence, order, trace)
        case .streamed(let referrer, let bundle):
            let artefact = StreamedArtefact(referrer: .bundle(referrer), content: bundle)
            return try await publish(artefact, of: evidence, order, trace)
        case .layer(let layer):
            return try await publish(LayerArtefact(layer: layer), of: evidence, order, trace)
        }
    }

    private func publish(
        _ artefact: some PublishedArtefact, of evidence: Evidence, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> Digest {
        // A first publication cannot be there already; everything else may be.
        if evidence.attachment?.pushedAt != nil {
            if let served = try await look(for: artefact, order, trace) { return served }
            try await recordMissing(of: evidence, order)
        }
        let pushed = try await put(artefact, order, trace)
        try await trace.stage(.readBack) {
            try await artefact.readBack(pushed, order)
            try await FailPoint.recordPush.around(QueueError.injected) {
                try await journal.published(evidence, for: order.claim)
            }
        }
        return artefact.manifest(of: pushed)
    }

    /// Where the registry serves what was put there before; nil if it does not any more.
    func look(
        for artefact: some PublishedArtefact, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> Digest? {
        try await trace.stage(.readBack) { try await artefact.served(order) }
    }

    /// Records what the registry does not serve any more, before it is put back.
    /// - Parameter what: that is missing; what is published of the evidence, unless it is something that belongs to it.
    func recordMissing(_ what: String? = nil, of evidence: Evidence, _ order: SigningOrder) async throws {
        try await FailPoint.recordMissing.around(QueueError.injected) {
            try await journal.missing(evidence, what, for: order.claim)
        }
    }

    /// Puts it there.
    ///
    /// The fallback index and the legacy tag are read, changed and written without any lock in the registry (eight cosigns
    /// at once lose three signatures), so all our writers of one subject take turns by its lease.
    func put<Artefact: PublishedArtefact>(
        _ artefact: Artefact, _ order: SigningOrder, _ trace: AttemptTrace
    ) async throws -> Artefact.Pushed {
        if let blob = artefact.blob {
            // it is addressed by its content: it needs nobody's turn, and stands for nothing until it is listed
            try await trace.stage(.publish) { try await order.place.upload(blob) }
        }
        return try await trace.stage(
            .publish, { (pushed: Artefact.Pushed) in ["manifest": "\(artefact.manifest(of: pushed))"] }
        ) {
            try await subjects.taking(order.target, at: order.place.repository, for: order.claim) {
                try await artefact.push(order)
            }
        }
    }
}
