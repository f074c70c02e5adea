package import OCI
package import Sigstore

/// Judges what a registry serves for a reference: every bundle and every older signature attached to it, by our own verifier.
package struct VerifyReference: Sendable {
    /// What a signature must be to count.
    package struct Expectation: Sendable {
        /// Who must have signed.
        package var signer: Verifier.ExpectedSigner
        /// The kind of claim that counts. An SBOM attestation is not a signature for us (it is for cosign).
        package var predicateType = Statement.cosignSignPredicateType
        /// Names under which a claim may speak of the artifact, for declared replicas; nil: only the one asked for.
        package var repositories: [String]?
        /// What a signature must bring beside being right.
        package var demands = Verifier.Demands.standard

        package init(_ signer: Verifier.ExpectedSigner) { self.signer = signer }

        /// Whether image signatures are looked for, else attestations.
        var wantsSignatures: Bool { predicateType == Statement.cosignSignPredicateType }
        /// The older tag where they would be.
        var kind: LegacyKind { wantsSignatures ? .signature : .attestation }
        /// The most bytes of one that is worth fetching.
        var limit: Int {
            wantsSignatures ? AttachedSignatures.signatureLimit : AttachedSignatures.attestationLimit
        }
    }

    private let registry: RegistryClient
    private let signatures: SignaturePlace?
    private let verifier: Verifier
    private let expectation: Expectation

    /// - Parameters:
    ///   - registry: the registry of the references.
    ///   - signatures: where signatures are kept, if not beside their images (cosign's `COSIGN_REPOSITORY`).
    package init(
        registry: RegistryClient, signatures: SignaturePlace? = nil, verifier: Verifier, expecting: Expectation
    ) {
        self.registry = registry
        self.signatures = signatures
        self.verifier = verifier
        expectation = expecting
    }

    /// The same for image signatures by one identity.
    package init(registry: RegistryClient, verifier: Verifier, identity: CertificateIdentity) {
        self.init(registry: registry, verifier: verifier, expecting: Expectation(.certificate(identity)))
    }

    /// What was found at one reference.
    package struct Report: Sendable {
        package let reference: Reference
        package let digest: Digest
        package let mediaType: String
        /// Those that passed every check, in the order in which they are listed: bundles first.
        package let signatures: [Signature]
        /// Those that did not, and why; also those that could not be read.
        package let rejected: [SignatureRejection]
        /// Whether at least one signature as expected verifies.
        package var isVerified: Bool { !signatures.isEmpty }
    }

    /// A signature that counts.
    package struct Signature: Sendable {
        package let location: SignatureLocation
        package let verified: VerifiedSignature
    }

    /// - Throws: ``OCIError`` when the registry cannot be asked: "could not be found out" is neither signed nor unsigned.
    package func verify(_ reference: Reference) async throws(OCIError) -> Report {
        let name = reference.repository.name
        let subject: Manifest
        if let digest = reference.digest {
            subject = try await registry.manifest(name, digest)
        } else {
            subject = try await registry.resolve(name, tag: reference.tag ?? "latest")
        }
        let digest = subject.descriptor.digest
        let place = signatures ?? SignaturePlace(registry: registry, repository: reference.repository)
        let attached = try await place.attached(to: digest, kinds: [expectation.kind])
        var signatures: [Signature] = []
        var rejected = attached.unreadable
        for candidate in attached.signatures {
            switch try await judge(candidate, at: place, digest, reference.repository) {
            case .success(let signature): signatures.append(signature)
            case .failure(let rejection): rejected.append(rejection)
            }
        }
        return Report(
            reference: reference, digest: digest, mediaType: subject.descriptor.mediaType, signatures: signatures,
            rejected: rejected)
    }

    private func judge(
        _ candidate: AttachedSignature, at place: SignaturePlace, _ digest: Digest, _ repository: Repository
    ) async throws(OCIError) -> Result<Signature, SignatureRejection> {
        // a large document of another kind is not worth fetching to say so
        if let named = candidate.predicateType, named != expectation.predicateType,
            candidate.layer.size > AttachedSignatures.signatureLimit
        {
            return .failure(
                SignatureRejection(
                    candidate.location, code: "verify.predicate_type",
                    observed: "listed as \(named), expected \(expectation.predicateType)"))
        }
        switch try await place.fetch(candidate, limit: expectation.limit) {
        case .failure(let rejection): return .failure(rejection)
        case .success(let fetched):
            do {
                return .success(
                    Signature(
                        location: candidate.location, verified: try verify(fetched.form, of: digest, in: repository)))
            } catch let error as VerificationError {
                return .failure(
                    SignatureRejection(
                        candidate.location, code: error.code, observed: error.observed, fix: error.fix))
            } catch {
                return .failure(
                    SignatureRejection(candidate.location, code: "verify.unexpected", observed: "\(error)"))
            }
        }
    }

    private func verify(
        _ form: PresentedForm, of digest: Digest, in repository: Repository
    ) throws -> VerifiedSignature {
        let artifact = try ArtifactDigest(digest.description)
        let repositories = expectation.repositories ?? [repository.description]
        switch form {
        case .bundle(let bundle):
            return try verifier.verify(
                bundle, artifact: artifact, by: expectation.signer, expecting: expectation.predicateType,
                repositories: repositories, demanding: expectation.demands)
        case .legacy(let legacy):
            return try verifier.verify(
                legacy, image: artifact, by: expectation.signer, expecting: expectation.predicateType,
                repositories: repositories, demanding: expectation.demands)
        }
    }
}
