import OCI
import Sigstore

/// What is put beside an image: how that is done, and how others find it there.
protocol PublishedArtefact: Sendable {
    /// What a push came to.
    associatedtype Pushed: Sendable

    /// What is uploaded before, in pieces; nil where all of it is pushed at once.
    var blob: StreamedBlob? { get }

    /// Puts it where its readers look. The caller has the subject's turn.
    func push(_ order: SigningOrder) async throws -> Pushed

    /// The manifest in which the registry then has it.
    func manifest(of pushed: Pushed) -> Digest

    /// Fetches what others will read, and compares it with what was pushed.
    func readBack(_ pushed: Pushed, _ order: SigningOrder) async throws

    /// Where the registry lists and serves what was published before; nil only if it says that it does not.
    func served(_ order: SigningOrder) async throws -> Digest?
}

extension PublishedArtefact {
    var blob: StreamedBlob? { nil }
}

/// A referrer manifest with the bundle as its only layer.
struct BundleArtefact: PublishedArtefact {
    let referrer: BundleReferrer
    let bundle: [UInt8]
    /// Where other subjects of the repository have the same one.
    let shared: SharedBundle?

    func push(_ order: SigningOrder) async throws -> Attachment {
        let place = order.place
        let attachment: Attachment
        if let shared {
            attachment = try await shared.attach(referrer, in: place)
        } else {
            attachment = try await place.registry.attach(referrer, bundle: bundle, to: place.repository.name)
        }
        try await order.dropSuperseded(by: attachment)
        return attachment
    }

    func manifest(of pushed: Attachment) -> Digest { pushed.manifest.digest }

    func readBack(_ pushed: Attachment, _ order: SigningOrder) async throws {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        guard shared == nil else {
            // its bundle was compared when it was put there, for all that have it
            return try await registry.readBackManifest(pushed, from: name)
        }
        guard try await registry.readBack(pushed, from: name) == bundle else {
            throw SigningError.readBackDiffers("the bundle of \(pushed.manifest.digest)")
        }
    }

    func served(_ order: SigningOrder) async throws(OCIError) -> Digest? {
        let (registry, name) = (order.place.registry, order.place.repository.name)
        guard try await registry.isAttached(referrer.descriptor.digest, to: order.target.digest, in: name) else {
            return nil
        }
        do {
            guard try await registry.blob(name, .sha256(of: bundle), limit: bundle.count) == bundle else { return nil }
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return nil
        }
        return referrer.descriptor.digest
    }
}

/// One layer more under the legacy tag.
struct LayerArtefact: PublishedArtefact {
    let layer: LegacyLayer

    func push(_ order: SigningOrder) async throws -> LegacyAttachment {
        try await order.place.registry.attach(
            layer, order.content.kind, to: order.target.digest, in: order.place.repository.name,
            superseding: order.superseded)
    }

    func manifest(of pushed: LegacyAttachment) -> Digest { pushed.manifest }

    func readBack(_ pushed: LegacyAttachment, _ order: SigningOrder) async throws {
        // the manifest was read until the layer stood in it; the blob is fixed by its digest
        let (registry, name) = (order.place.registry, order.place.repository.name)
        guard try await registry.blob(name, layer.descriptor.digest, limit: layer.payload.count) == layer.payload
        else { throw SigningError.readBackDiffers("the payload under \(pushed.tag)") }
    }

    func served(_ order: SigningOrder) async throws -> Digest? {
        try await order.place.registry.isAttached(
            layer, order.content.kind, to: order.target.digest, in: order.place.repository.name)?.manifest
    }
}

extension SigningOrder {
    /// Takes out of the fallback index what a referrer that stands there now takes the place of.
    func dropSuperseded(by attachment: Attachment) async throws(OCIError) {
        try await place.registry.dropFromFallbackIndex(
            place.repository.name, subject: target.digest,
            referrers: superseded.subtracting([attachment.manifest.digest]))
    }
}
