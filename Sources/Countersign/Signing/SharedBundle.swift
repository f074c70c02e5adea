import OCI

/// The bundle that all members of a group have as their layer: put into a repository once, and looked at once, however many
/// manifests are put around it.
actor SharedBundle {
    private let bytes: [UInt8]
    private var presence: [Repository: Task<Void, any Error>] = [:]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Attaches a member's manifest to its subject, after the bundle is there.
    func attach(_ referrer: BundleReferrer, in place: SignaturePlace) async throws -> Attachment {
        let present = presence[place.repository] ?? put(in: place)
        do { try await present.value } catch {
            forget(present, place.repository)
            throw error
        }
        do {
            return try await place.registry.attach(referrer, to: place.repository.name)
        } catch {
            // garbage collection or a restored backup: the next attempt puts it there again
            if case .blobUnknown = error { forget(present, place.repository) }
            throw error
        }
    }

    /// One upload for all who wait for it. Not cancelled with one of them.
    private func put(in place: SignaturePlace) -> Task<Void, any Error> {
        let bytes = bytes
        let task = Task {
            guard try await !Self.isServed(bytes, in: place) else { return }
            try await place.registry.pushBlob(place.repository.name, bytes)
            guard try await Self.isServed(bytes, in: place) else {
                throw SigningError.readBackDiffers("the bundle of a group in \(place.repository)")
            }
        }
        presence[place.repository] = task
        return task
    }

    private func forget(_ task: Task<Void, any Error>, _ repository: Repository) {
        if presence[repository] == task { presence[repository] = nil }
    }

    /// Whether the registry serves these very bytes; a daemon that died may have put them there.
    private static func isServed(_ bytes: [UInt8], in place: SignaturePlace) async throws -> Bool {
        do throws(OCIError) {
            return try await place.registry.blob(
                place.repository.name, .sha256(of: bytes), limit: bytes.count) == bytes
        } catch {
            switch error {
            case .notFound, .digestMismatch: return false
            default: throw error
            }
        }
    }
}
