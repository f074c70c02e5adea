import FoundationEssentials
import Logging
import OCI
import Sigstore

/// Puts a verified bundle beside its image, and believes it only once the registry serves it.
struct Publication: Sendable {
    let journal: Journal
    let subjects: SubjectTurns
    let registry: RegistryClient

    /// Attaches the bundle unless the registry already serves it, and reads it back; both are recorded.
    ///
    /// The fallback index is read, changed and written without any lock in the registry (eight cosigns at once lose three
    /// signatures), so all our writers of one subject take turns by its lease.
    func publish(
        _ logged: LoggedEvidence, for target: Target, _ claim: Claim, _ trace: AttemptTrace
    ) async throws {
        let name = target.repository.name
        // A first publication cannot be there already; everything else may be.
        if logged.attachment.pushedAt != nil, try await isServed(logged, target, trace) {
            return
        }
        if logged.attachment.pushedAt != nil { try await journal.missing(logged.evidence, for: claim) }
        let referrer = try BundleReferrer(manifest: logged.attachment.manifest, bundle: logged.bundle)
        let attachment = try await trace.stage(.publish, { ["manifest": "\($0.manifest.digest)"] }) {
            try await subjects.taking(target, for: claim) {
                try await registry.attach(referrer, bundle: logged.bundle, to: name)
            }
        }
        try await trace.stage(.readBack) {
            let served = try await registry.readBack(attachment, from: name)
            guard served == logged.bundle else {
                throw SigningError.readBackDiffers("the bundle of \(referrer.descriptor.digest)")
            }
            try await journal.published(logged.evidence, for: claim)
        }
    }

    /// Whether the registry lists and serves what was published before; `false` only if it says that it does not.
    private func isServed(_ logged: LoggedEvidence, _ target: Target, _ trace: AttemptTrace) async throws -> Bool {
        let name = target.repository.name
        return try await trace.stage(.readBack) {
            guard try await registry.isAttached(logged.attachment.digest, to: target.digest, in: name) else {
                return false
            }
            do {
                return try await registry.blob(name, .sha256(of: logged.bundle), limit: logged.bundle.count)
                    == logged.bundle
            } catch OCIError.notFound {
                return false
            }
        }
    }
}
