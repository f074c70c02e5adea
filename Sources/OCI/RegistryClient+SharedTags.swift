/// What is to lie under a tag in place of what was read there.
struct Rewritten: Sendable {
    let manifest: [UInt8]
    let mediaType: String
    /// Of what was read, for a conditional write; nil when there was nothing, or the registry gave none.
    let entityTag: String?
    /// What has to be there before the manifest, in this order.
    var blobs: [[UInt8]] = []
    /// The manifests that it lists: some of them may be gone.
    var listed: [Descriptor] = []
}

/// Tags that everybody writes: fallback indexes, and those of legacy signatures.
extension RegistryClient {
    /// Changes what lies under such a tag: reads it, writes it changed, and reads again until there is nothing to change: at
    /// most 5 rounds.
    ///
    /// Writers have no lock on a tag and most registries ignore `If-Match`, so the caller holds the lease of the subject
    /// against our own kind, and the reading back finds out about others.
    /// - Parameter change: of what was read, without those manifests that the registry answers it does not have; nil when it
    ///   is as it should be.
    /// - Returns: what was read last, and whether anything had to be written.
    /// - Throws: `fallbackIndexContended` or `legacyTagContended` after the last round.
    func rewriting<Held>(
        _ tag: String, _ kind: RequestKind, in name: String, read: () async throws(OCIError) -> Held,
        change: (Held, _ gone: Set<Digest>) async throws(OCIError) -> Rewritten?
    ) async throws(OCIError) -> (held: Held, isWritten: Bool) {
        let rounds = 5
        var gone: Set<Digest> = []
        for round in 0...rounds {
            let held = try await read()
            guard let next = try await change(held, gone) else { return (held, round > 0) }
            guard round < rounds else { break }
            do {
                for blob in next.blobs { try await pushBlob(name, blob) }
                _ = try await pushManifest(
                    kind, name, bytes: next.manifest, mediaType: next.mediaType, reference: .tag(tag),
                    ifMatch: next.entityTag)
            } catch .refused(let answer) where answer.status == 412 {
                continue  // someone wrote in between, and this registry told us
            } catch .blobUnknown(let answer) {
                // A referrer was deleted and is still listed: distribution then takes no index that lists it.
                let found = try await missing(next.listed, in: name)
                guard !found.isSubset(of: gone) else { throw .blobUnknown(answer) }
                gone.formUnion(found)
            }
        }
        guard kind == .fallbackPut else { throw .legacyTagContended(tag: tag, attempts: rounds) }
        throw .fallbackIndexContended(tag: tag, attempts: rounds)
    }

    /// Those that the registry answers it does not have.
    private func missing(_ listed: [Descriptor], in name: String) async throws(OCIError) -> Set<Digest> {
        var missing: Set<Digest> = []
        for descriptor in listed.prefix(256) {
            do {
                _ = try await manifestAnswer(.manifestGet, name, "\(descriptor.digest)")
            } catch .notFound(let answer) where answer.isRegistrysOwn {
                missing.insert(descriptor.digest)
            }
        }
        return missing
    }
}
