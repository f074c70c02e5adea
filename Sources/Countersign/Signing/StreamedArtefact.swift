import OCI

/// Bytes that are in no memory as a whole: read as often as it takes.
struct StreamedBlob: Sendable {
    let digest: Digest
    let size: Int
    /// Gives the bytes in order, part by part.
    let read: @Sendable (_ part: (_ bytes: [UInt8]) async throws -> Void) async throws -> Void
}

/// A manifest around such a blob: a bundle whose document was not held, or a document that stands beside the image.
struct StreamedArtefact: PublishedArtefact {
    enum Referrer: Sendable {
        case bundle(BundleReferrer)
        case document(DocumentReferrer)

        var descriptor: Descriptor {
            switch self {
            case .bundle(let referrer): referrer.descriptor
            case .document(let referrer): referrer.descriptor
            }
        }
    }

    let referrer: Referrer
    let content: StreamedBlob

    var blob: StreamedBlob? { content }

    func push(_ order: SigningOrder) async throws -> Digest {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        switch referrer {
        case .bundle(let referrer):
            let attachment = try await registry.attach(referrer, to: name)
            try await order.dropSuperseded(by: attachment)
            return attachment.manifest.digest
        case .document(let referrer): return try await registry.attach(referrer, to: name)
        }
    }

    func manifest(of pushed: Digest) -> Digest { pushed }

    /// Read to its end without being held.
    func readBack(_ pushed: Digest, _ order: SigningOrder) async throws {
        try await order.place.registry.verifyBlob(order.place.repository.name, content.digest, size: content.size)
    }

    /// - Throws: `digestMismatch` where other bytes are served.
    func served(_ order: SigningOrder) async throws(OCIError) -> Digest? {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        let manifest = referrer.descriptor.digest
        guard try await registry.isAttached(manifest, to: order.target.digest, in: name) else { return nil }
        do { try await registry.verifyBlob(name, content.digest, size: content.size) } catch {
            guard case .notFound(let answer) = error, answer.isRegistrysOwn else { throw error }
            return nil
        }
        return manifest
    }
}

extension SignaturePlace {
    /// Sends a blob to the registry, in pieces, unless it has it.
    func upload(_ blob: StreamedBlob) async throws {
        let (registry, name) = (registry, repository.name)
        guard try await !registry.hasBlob(name, blob.digest) else { return }
        var upload = try await registry.beginUpload(name)
        try await blob.read { part in try await registry.append(part, to: &upload) }
        try await registry.finish(upload, as: blob.digest)
    }
}
