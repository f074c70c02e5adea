package import OCI
import Sigstore
import StrictJSON

/// One signature or attestation that a registry lists for an artifact. Of its content nothing has been read.
package struct AttachedSignature: Sendable {
    package let location: SignatureLocation
    /// The layer that holds it.
    package let layer: Descriptor
    /// The kind of claim that the manifest around it names: a hint that nothing authenticates. nil where it names none.
    package let predicateType: String?
}

/// Everything that a registry lists as signatures and attestations of one digest, in both formats, by anybody.
package struct AttachedSignatures: Sendable {
    /// Bundles first, then the layers under the older tags, each in the registry's order.
    package private(set) var signatures: [AttachedSignature] = []
    /// Referrers that hold no bundle: documents, other signers' formats.
    package private(set) var others: [Descriptor] = []
    /// What is listed and cannot be read: missing, malformed, too large, other bytes than its digest. Anybody who may push
    /// can list such a thing; it says nothing about the other ones.
    package private(set) var unreadable: [SignatureRejection] = []

    /// The most bytes of referrers' manifests that are read; ours have a kilobyte.
    package static let manifestLimit = 64 << 20
    /// The most bytes of an image signature.
    package static let signatureLimit = 16 << 20
    /// The most bytes of an attestation: a document of 64 MiB in base64.
    package static let attestationLimit = UnverifiedBundle.attestationLimits.maxBytes
    /// The most bytes of all signatures of an artifact beyond those of the largest that is read.
    package static let allowance = 64 << 20

    /// What one thing that is listed turned out to be.
    fileprivate enum Part {
        case signature(AttachedSignature)
        case other(Descriptor)
        case unreadable(SignatureRejection)
    }

    fileprivate mutating func add(_ part: Part) {
        switch part {
        case .signature(let signature): signatures.append(signature)
        case .other(let descriptor): others.append(descriptor)
        case .unreadable(let rejection): unreadable.append(rejection)
        }
    }
}

extension SignaturePlace {
    /// Lists what is attached to `digest` here.
    ///
    /// Every referrer's manifest is read, once however often it is listed, and judged by its layer, not by the `artifactType`
    /// of its listing. Of more than ``AttachedSignatures/manifestLimit`` bytes the rest is one entry of `unreadable`.
    /// - Parameter kinds: the older tags that are looked at beside the referrers.
    /// - Throws: ``OCIError`` when the registry does not say: what could not be asked is never "nothing there".
    package func attached(
        to digest: Digest, kinds: [LegacyKind] = LegacyKind.allCases
    ) async throws(OCIError) -> AttachedSignatures {
        var found = AttachedSignatures()
        try await addReferrers(of: digest, to: &found)
        // cosign has no older tag for a digest that is not SHA-256
        if digest.algorithm == .sha256 {
            for kind in kinds { try await addLayers(kind, of: digest, to: &found) }
        }
        return found
    }

    /// A fallback tag that holds something else lists nothing, and says nothing about the older tags.
    private func addReferrers(of digest: Digest, to found: inout AttachedSignatures) async throws(OCIError) {
        let nowhere = SignatureLocation(repository: repository, form: .referrer, manifest: nil)
        let listed: [Descriptor]
        do throws(OCIError) {
            listed = try await registry.referrers(repository.name, of: digest).descriptors
        } catch {
            guard case .fallbackNotAnIndex = error else { throw error }
            return found.add(.unreadable(SignatureRejection(nowhere, code: error.code, observed: "\(error)")))
        }
        var left = AttachedSignatures.manifestLimit
        var read: Set<Digest> = []
        var unread = 0
        var parts: [AttachedSignatures.Part?] = Array(repeating: nil, count: listed.count)
        for index in listed.readingOrder {
            let descriptor = listed[index]
            if MediaType.isIndex(descriptor.mediaType) {
                parts[index] = .other(descriptor)
            } else if !read.contains(descriptor.digest) {
                guard min(descriptor.size, Manifest.byteLimit) <= left else {
                    unread += 1
                    continue
                }
                read.insert(descriptor.digest)
                parts[index] = try await part(descriptor, within: &left)
            }
        }
        for case let part? in parts { found.add(part) }
        if unread > 0 {
            found.add(
                .unreadable(
                    .unread(
                        nowhere, "\(unread) of \(listed.count) referrers: together they are larger than is read here")))
        }
    }

    /// What a referrer is, by its manifest.
    /// - Parameter left: the bytes that may be read; lessened by what was, which need not be what the listing says.
    private func part(
        _ descriptor: Descriptor, within left: inout Int
    ) async throws(OCIError) -> AttachedSignatures.Part {
        do throws(OCIError) {
            let served = try await registry.servedManifest(repository.name, descriptor.digest)
            left -= served.bytes.count
            let manifest = try Manifest(
                bytes: served.bytes, mediaType: served.mediaType, expecting: descriptor.digest)
            guard case .image(let image) = manifest.content,
                let layer = image.layers.first(where: { $0.mediaType.hasPrefix(MediaType.sigstoreBundlePrefix) })
            else { return .other(descriptor) }
            return .signature(
                AttachedSignature(
                    location: SignatureLocation(
                        repository: repository, form: .referrer, manifest: descriptor.digest, layer: layer.digest),
                    layer: layer, predicateType: image.annotations?["dev.sigstore.bundle.predicateType"]))
        } catch {
            // it was read until there
            if case .tooLarge(_, Manifest.byteLimit, _) = error { left -= Manifest.byteLimit }
            let location = SignatureLocation(repository: repository, form: .referrer, manifest: descriptor.digest)
            return .unreadable(try SignatureRejection(location, error))
        }
    }

    private func addLayers(
        _ kind: LegacyKind, of digest: Digest, to found: inout AttachedSignatures
    ) async throws(OCIError) {
        let tag = try SignatureTag.legacy(kind, for: digest)
        do throws(OCIError) {
            guard let listing = try await registry.legacyListing(kind, of: digest, in: repository.name) else { return }
            for layer in listing.layers {
                found.add(
                    .signature(
                        AttachedSignature(
                            location: SignatureLocation(
                                repository: repository, form: .tag(tag, kind), manifest: listing.manifest,
                                layer: layer.digest),
                            layer: layer,
                            predicateType: kind == .signature
                                ? Statement.cosignSignPredicateType : layer.annotations?["predicateType"])))
            }
        } catch {
            let location = SignatureLocation(repository: repository, form: .tag(tag, kind), manifest: nil)
            found.add(.unreadable(try SignatureRejection(location, error)))
        }
    }
}

extension [Descriptor] {
    /// Those first that may hold a bundle (cosign lists its own under the type of its empty config), and small ones before large
    /// ones: whoever may push must not be able to put so much before a signature that it is not reached.
    fileprivate var readingOrder: [Int] {
        func isOtherwise(_ descriptor: Descriptor) -> Bool {
            guard let type = descriptor.artifactType else { return false }
            return !type.hasPrefix(MediaType.sigstoreBundlePrefix) && type != MediaType.emptyConfig
        }
        return indices.sorted { left, right in
            let (first, second) = (isOtherwise(self[left]), isOtherwise(self[right]))
            return first == second ? (self[left].size, left) < (self[right].size, right) : second
        }
    }
}
