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

/// An attached signature with its content, parsed and not believed.
package struct FetchedSignature: Sendable {
    package let attached: AttachedSignature
    /// The bundle's or the layer's exact bytes.
    package let bytes: [UInt8]
    package let form: PresentedForm
}

/// Everything that a registry lists as signatures and attestations of one digest, in both formats, by anybody.
package struct AttachedSignatures: Sendable {
    /// Bundles first, then the layers under the older tags, each in the registry's order.
    package let signatures: [AttachedSignature]
    /// Referrers that hold no bundle: documents, other signers' formats.
    package let others: [Descriptor]
    /// What is listed and cannot be read: missing, malformed, too large, other bytes than its digest. Anybody who may push
    /// can list such a thing; it says nothing about the other ones.
    package let unreadable: [SignatureRejection]

    /// The most referrers that are looked at; more is an error, not a shorter answer.
    package static let referrerLimit = 256
    /// The most bytes of an image signature.
    package static let signatureLimit = 16 << 20
    /// The most bytes of an attestation: a document of 64 MiB in base64.
    package static let attestationLimit = UnverifiedBundle.attestationLimits.maxBytes
}

extension SignaturePlace {
    /// Lists what is attached to `digest` here.
    ///
    /// Every referrer's manifest is read and judged by its layer, not by the `artifactType` of its listing.
    /// - Parameter kinds: the older tags that are looked at beside the referrers.
    /// - Throws: ``OCIError`` when the registry does not say: what could not be asked is never "nothing there".
    package func attached(
        to digest: Digest, kinds: [LegacyKind] = LegacyKind.allCases
    ) async throws(OCIError) -> AttachedSignatures {
        var found = AttachedParts()
        let listed = try await listedReferrers(of: digest, unreadable: &found)
        guard listed.count <= AttachedSignatures.referrerLimit else {
            throw .tooLarge(
                what: "referrers of \(digest)", limit: AttachedSignatures.referrerLimit, unit: "entries")
        }
        for descriptor in listed { try await addReferrer(descriptor, to: &found) }
        // cosign has no older tag for a digest that is not SHA-256
        if digest.algorithm == .sha256 {
            for kind in kinds { try await addLayers(kind, of: digest, to: &found) }
        }
        return AttachedSignatures(
            signatures: found.signatures, others: found.others, unreadable: found.unreadable)
    }

    /// Fetches one and parses it.
    /// - Parameter limit: the most bytes; a larger one counts as unreadable, and one that is said to be larger is not asked for.
    /// - Returns: what it is, or why it cannot be read.
    /// - Throws: ``OCIError`` when the registry does not say.
    package func fetch(
        _ attached: AttachedSignature, limit: Int = AttachedSignatures.signatureLimit
    ) async throws(OCIError) -> Result<FetchedSignature, SignatureRejection> {
        let bytes: [UInt8]
        do throws(OCIError) {
            guard attached.layer.size <= limit else {
                throw .tooLarge(what: "blob \(attached.layer.digest)", limit: limit, unit: "bytes")
            }
            bytes = try await registry.blob(repository.name, attached.layer.digest, limit: attached.layer.size)
        } catch {
            return .failure(try rejection(of: error, at: attached.location))
        }
        do throws(SigstoreError) {
            return .success(
                FetchedSignature(attached: attached, bytes: bytes, form: try Self.parse(bytes, attached, limit)))
        } catch {
            return .failure(
                SignatureRejection(attached.location, code: error.code, observed: error.observed))
        }
    }

    private static func parse(
        _ bytes: [UInt8], _ attached: AttachedSignature, _ limit: Int
    ) throws(SigstoreError) -> PresentedForm {
        let limits = JSONLimits(maxBytes: limit, maxDepth: UnverifiedBundle.attestationLimits.maxDepth)
        switch attached.location.form {
        case .referrer: return .bundle(try UnverifiedBundle(json: bytes, limits: limits))
        case .tag:
            return .legacy(
                try LegacySignature(
                    layerMediaType: attached.layer.mediaType, payload: bytes,
                    annotations: attached.layer.annotations ?? [:], limits: limits))
        }
    }

    /// A fallback tag that holds something else lists nothing, and says nothing about the older tags.
    private func listedReferrers(
        of digest: Digest, unreadable found: inout AttachedParts
    ) async throws(OCIError) -> [Descriptor] {
        do throws(OCIError) {
            return try await registry.referrers(repository.name, of: digest).descriptors
        } catch {
            guard case .fallbackNotAnIndex = error else { throw error }
            let location = SignatureLocation(repository: repository, form: .referrer, manifest: nil)
            found.unreadable.append(SignatureRejection(location, code: error.code, observed: "\(error)"))
            return []
        }
    }

    private func addReferrer(_ descriptor: Descriptor, to found: inout AttachedParts) async throws(OCIError) {
        let location = SignatureLocation(repository: repository, form: .referrer, manifest: descriptor.digest)
        guard !MediaType.isIndex(descriptor.mediaType) else { return found.others.append(descriptor) }
        do throws(OCIError) {
            guard case .image(let image) = try await registry.manifest(repository.name, descriptor.digest).content,
                let layer = image.layers.first(where: { $0.mediaType.hasPrefix(MediaType.sigstoreBundlePrefix) })
            else { return found.others.append(descriptor) }
            found.signatures.append(
                AttachedSignature(
                    location: SignatureLocation(
                        repository: repository, form: .referrer, manifest: descriptor.digest, layer: layer.digest),
                    layer: layer, predicateType: image.annotations?["dev.sigstore.bundle.predicateType"]))
        } catch {
            found.unreadable.append(try rejection(of: error, at: location))
        }
    }

    private func addLayers(
        _ kind: LegacyKind, of digest: Digest, to found: inout AttachedParts
    ) async throws(OCIError) {
        let tag = try SignatureTag.legacy(kind, for: digest)
        do throws(OCIError) {
            guard let listing = try await registry.legacyListing(kind, of: digest, in: repository.name) else { return }
            for layer in listing.layers {
                found.signatures.append(
                    AttachedSignature(
                        location: SignatureLocation(
                            repository: repository, form: .tag(tag, kind), manifest: listing.manifest,
                            layer: layer.digest),
                        layer: layer,
                        predicateType: kind == .signature
                            ? Statement.cosignSignPredicateType : layer.annotations?["predicateType"]))
            }
        } catch {
            // no such tag is an answer, and not an error; a 404 that comes as one is a proxy's
            if case .notFound = error { throw error }
            let location = SignatureLocation(repository: repository, form: .tag(tag, kind), manifest: nil)
            found.unreadable.append(try rejection(of: error, at: location))
        }
    }

    /// What an answer about one of them says of that one.
    /// - Throws: the error, if it says something about the registry instead.
    private func rejection(
        of error: OCIError, at location: SignatureLocation
    ) throws(OCIError) -> SignatureRejection {
        switch error {
        case .notFound:
            SignatureRejection(
                location, code: "verify.missing", observed: "listed, but the registry does not have it")
        case .manifestMalformed, .tooLarge, .unsupportedMediaType, .digestMismatch, .legacyTagNotSignatures:
            SignatureRejection(location, code: error.code, observed: "\(error)")
        default: throw error
        }
    }
}

/// What a listing collects.
private struct AttachedParts {
    var signatures: [AttachedSignature] = []
    var others: [Descriptor] = []
    var unreadable: [SignatureRejection] = []
}
