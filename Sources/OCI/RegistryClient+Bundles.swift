/// Where a bundle has been attached, as the registry confirmed it.
public struct Attachment: Sendable, Equatable {
    /// By which of the two ways the registry lists the referrer.
    public enum Listing: Sendable, Equatable {
        /// By its own referrers API.
        case referrersAPI
        /// As an entry of the index under this tag.
        case fallbackTag(String)
    }

    /// The manifest signed.
    public let subject: Descriptor
    /// The referrer manifest.
    public let manifest: Descriptor
    /// The bundle, the referrer's only layer.
    public let bundle: Descriptor
    /// How the registry lists it.
    public let listing: Listing
    /// Whether the registry named the digest under which it stored the manifest when it was pushed.
    public let isConfirmed: Bool
}

/// A bundle that referrers of a subject name. Its bytes have not been fetched, and nothing about it is believed.
public struct ListedBundle: Sendable, Equatable {
    /// A referrer that carries it: anybody may put the same bundle into a manifest of his own.
    public struct Carrier: Sendable, Equatable {
        /// The referrer's manifest, as it is listed.
        public let manifest: Descriptor
        /// How many bytes the bundle is said to have.
        public let size: Int
    }

    /// The bundle's digest: of its bytes, the referrer's only layer.
    public let digest: Digest
    /// In the registry's order.
    public internal(set) var carriers: [Carrier]

    /// How many bytes are to be expected, if any of the carriers says that it is no more than `limit`.
    public func size(upTo limit: Int) -> Int? { carriers.map(\.size).filter { $0 <= limit }.max() }
}

/// What a search for bundles met. Their bytes are left to whoever looks at them, one after the other: anybody who may push
/// can list hundreds.
public struct ListedBundles: Sendable, Equatable {
    /// Each bundle once, by its digest, in the order in which they are listed.
    public internal(set) var bundles: [ListedBundle] = []
    /// Referrers that are listed but no longer there.
    public internal(set) var missing: [Descriptor] = []
    /// Referrers of other kinds.
    public internal(set) var others: [Descriptor] = []
    /// Referrers that cannot be what they claim (malformed, too large), each with why. Anybody who may push can list one; it
    /// says nothing about the other referrers.
    public internal(set) var unreadable: [Unreadable] = []

    /// A referrer that cannot be read, and why.
    public struct Unreadable: Sendable, Equatable {
        /// The referrer's manifest, as it is listed.
        public let manifest: Descriptor
        /// The code of the error, such as `manifest.malformed`.
        public let code: String
        /// What was seen.
        public let observed: String
    }
}

extension RegistryClient {
    /// Attaches a bundle: blobs, manifest by digest, and the fallback index where the registry needs it.
    ///
    /// Safe to repeat: all content is addressed by its digest. The caller holds the lease of the subject, because the
    /// fallback index is read, changed and written. It returns only after the registry listed the referrer.
    /// - Parameters:
    ///   - referrer: from `BundleReferrer.render` over the same `bundle`.
    ///   - name: the repository's name on this registry.
    /// - Throws: `referrerNotListed` (transient) when the registry promised to list it and does not yet.
    public func attach(_ referrer: BundleReferrer, bundle: [UInt8], to name: String) async throws(OCIError)
        -> Attachment
    {
        guard referrer.bundle.digest.matches(bundle) else {
            throw .digestMismatch(expected: referrer.bundle.digest, actual: .sha256(of: bundle))
        }
        let pushed: PushedManifest
        do {
            pushed = try await pushReferrer(referrer, bundle, name)
        } catch .blobUnknown {
            // The registry lost a blob that we remember, by garbage collection or a restored backup.
            memory.forgetEmptyBlob(name)
            pushed = try await pushReferrer(referrer, bundle, name)
        }
        return Attachment(
            subject: referrer.subject, manifest: referrer.descriptor, bundle: referrer.bundle,
            listing: try await list(referrer, pushed, name), isConfirmed: pushed.isConfirmed)
    }

    /// The same for a bundle whose blob was pushed before, in pieces.
    /// - Throws: `blobUnknown` when the registry does not have it (any more).
    public func attach(_ referrer: BundleReferrer, to name: String) async throws(OCIError) -> Attachment {
        try await pushEmptyBlob(name)
        let pushed = try await pushManifest(
            name, bytes: referrer.manifest, mediaType: MediaType.ociManifest, reference: .digest)
        return Attachment(
            subject: referrer.subject, manifest: referrer.descriptor, bundle: referrer.bundle,
            listing: try await list(referrer, pushed, name), isConfirmed: pushed.isConfirmed)
    }

    private func pushReferrer(
        _ referrer: BundleReferrer, _ bundle: [UInt8], _ name: String
    ) async throws(OCIError) -> PushedManifest {
        try await pushEmptyBlob(name)
        try await pushBlob(name, bundle)
        return try await pushManifest(
            name, bytes: referrer.manifest, mediaType: MediaType.ociManifest, reference: .digest)
    }

    /// Sees to it that a pushed referrer is listed. `OCI-Subject` alone is not believed (ECR sent it without the API).
    private func list(
        _ referrer: BundleReferrer, _ pushed: PushedManifest, _ name: String
    ) async throws(OCIError) -> Attachment.Listing {
        let subject = referrer.subject.digest
        let acknowledged = pushed.acknowledgedSubject == subject
        if acknowledged { memory.subjectAcknowledged() }
        if let listed = try await listedByAPI(name, subject, acknowledged: acknowledged) {
            if listed.contains(where: { $0.digest == pushed.digest }) { return .referrersAPI }
            // Some registries list a moment later; one that never acknowledged it expects the tag from us.
            guard !acknowledged else { throw .referrerNotListed(subject: subject, referrer: pushed.digest) }
        }
        try await addToFallbackIndex(name, subject: subject, entry: referrer.descriptor)
        return .fallbackTag(SignatureTag.fallback(for: subject))
    }

    /// Fetches an attached bundle back from the registry, hashed; its listing was read back by ``attach(_:bundle:to:)``.
    /// The manifest is fetched too, unless the registry itself named the digest it stored: its bytes are fixed by it.
    /// - Returns: the bundle's bytes, for verification of what others will read.
    public func readBack(_ attachment: Attachment, from name: String) async throws(OCIError) -> [UInt8] {
        if !attachment.isConfirmed { try await readBackManifest(attachment, from: name) }
        return try await blob(name, attachment.bundle.digest, limit: attachment.bundle.size)
    }

    /// The manifest alone: enough where its bundle was fetched before, since others have the same one.
    /// - Throws: `manifestMalformed` when it is not the manifest that was attached.
    public func readBackManifest(_ attachment: Attachment, from name: String) async throws(OCIError) {
        let manifest = try await manifest(name, attachment.manifest.digest)
        guard manifest.subject?.digest == attachment.subject.digest, case .image(let image) = manifest.content,
            image.layers.map(\.digest) == [attachment.bundle.digest]
        else { throw .manifestMalformed("referrer: not the manifest that was attached") }
    }

    /// Whether a referrer of ours is still served and listed; the question of a reconciler. One or two requests.
    public func isAttached(_ referrer: Digest, to subject: Digest, in name: String) async throws(OCIError) -> Bool {
        guard try await referrers(name, of: subject).descriptors.contains(where: { $0.digest == referrer }) else {
            return false
        }
        do {
            return try await manifest(name, referrer).subject?.digest == subject
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return false
        }
    }

    /// Lists the Sigstore bundles attached to `subject`. No bundle is fetched.
    ///
    /// Every referrer's manifest is read and judged by its layer, not by the `artifactType` of its listing.
    /// - Parameter referrerLimit: the most referrers looked at; more is an error, not a shorter answer.
    /// - Throws: `digestMismatch` too: other bytes than a referrer's digest are nobody's push, and what they stand for may be any.
    public func bundles(
        _ name: String, of subject: Digest, referrerLimit: Int = 256
    ) async throws(OCIError) -> ListedBundles {
        let listed = try await referrers(name, of: subject).descriptors
        guard listed.count <= referrerLimit else {
            throw .tooLarge(what: "referrers of \(subject)", limit: referrerLimit, unit: "entries")
        }
        var found = ListedBundles()
        var places: [Digest: Int] = [:]
        for descriptor in listed {
            do {
                guard let layer = try await bundleLayer(name, descriptor) else {
                    found.others.append(descriptor)
                    continue
                }
                let carrier = ListedBundle.Carrier(manifest: descriptor, size: layer.size)
                if let place = places[layer.digest] {
                    found.bundles[place].carriers.append(carrier)
                } else {
                    places[layer.digest] = found.bundles.count
                    found.bundles.append(ListedBundle(digest: layer.digest, carriers: [carrier]))
                }
            } catch {
                switch error {
                case .notFound(let answer) where answer.isRegistrysOwn: found.missing.append(descriptor)
                case .manifestMalformed, .tooLarge, .unsupportedMediaType:
                    found.unreadable.append(.init(manifest: descriptor, code: error.code, observed: "\(error)"))
                default: throw error
                }
            }
        }
        return found
    }

    private func bundleLayer(_ name: String, _ descriptor: Descriptor) async throws(OCIError) -> Descriptor? {
        guard !MediaType.isIndex(descriptor.mediaType) else { return nil }
        guard case .image(let image) = try await manifest(name, descriptor.digest).content else { return nil }
        return image.layers.first { $0.mediaType.hasPrefix(MediaType.sigstoreBundlePrefix) }
    }
}
