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
        /// What the signer must have said of the artifact (cosign's `--annotations`).
        package var annotations: [String: String] = [:]
        /// What a signature must bring beside being right; nil: what the verifier demands.
        package var demands: Verifier.Demands?

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
    private let online: OnlineCheck?

    /// - Parameters:
    ///   - registry: the registry of the references.
    ///   - signatures: where signatures are kept, if not beside their images (cosign's `COSIGN_REPOSITORY`).
    ///   - online: asks the logs, too; nil: nobody but the registry is asked.
    package init(
        registry: RegistryClient, signatures: SignaturePlace? = nil, verifier: Verifier, expecting: Expectation,
        online: OnlineCheck? = nil
    ) {
        self.registry = registry
        self.signatures = signatures
        self.verifier = verifier
        self.online = online
        expectation = expecting
    }

    /// The same for image signatures by one identity.
    package init(registry: RegistryClient, verifier: Verifier, identity: CertificateIdentity) {
        self.init(registry: registry, verifier: verifier, expecting: Expectation(.certificate(identity)))
    }

    /// - Throws: ``OCIError`` when the registry cannot be asked, ``SigstoreError`` when a log cannot, and what reading the
    ///   remembered checkpoints throws: "could not be found out" is neither signed nor unsigned.
    package func verify(_ reference: Reference) async throws -> Report {
        let name = reference.repository.name
        let subject: Manifest
        if let digest = reference.digest {
            subject = try await registry.manifest(name, digest)
        } else {
            subject = try await registry.resolve(name, tag: reference.tag ?? "latest")
        }
        let place = signatures ?? SignaturePlace(registry: registry, repository: reference.repository)
        let artifact = try ArtifactDigest(subject.descriptor.digest.description)
        let attached = try await place.attached(to: subject.descriptor.digest, kinds: [expectation.kind])
        var signatures: [Signature] = []
        var rejected = attached.unreadable
        for judgement in try await judge(attached.signatures, at: place, artifact, reference.repository) {
            switch judgement {
            case .success(let signature): signatures.append(signature)
            case .failure(let rejection): rejected.append(rejection)
            }
        }
        return Report(
            reference: reference, digest: subject.descriptor.digest, otherDigests: subject.otherDigests,
            mediaType: subject.descriptor.mediaType,
            predicateType: expectation.predicateType,
            signatures: Self.superseding(signatures, expectation.predicateType), rejected: rejected)
    }

    /// - Returns: what came of each of them, in their order.
    private func judge(
        _ candidates: [AttachedSignature], at place: SignaturePlace, _ artifact: ArtifactDigest,
        _ repository: Repository
    ) async throws -> [Result<Signature, SignatureRejection>] {
        var reading = SignatureReading(place, limit: expectation.limit)
        var judged: [Content: Result<Signature, SignatureRejection>] = [:]
        var judgements: [Int: Result<Signature, SignatureRejection>] = [:]
        for index in candidates.readingOrder {
            let candidate = candidates[index]
            if let rejection = rejection(bySaid: candidate) {
                judgements[index] = .failure(rejection)
                continue
            }
            let content = Content(candidate)
            let judgement: Result<Signature, SignatureRejection>
            if let content, let known = judged[content] {
                judgement = known.at(candidate.location)
            } else {
                judgement = try await judge(candidate, with: &reading, at: place, artifact, repository)
            }
            if let content { judged[content] = judgement }
            judgements[index] = judgement
        }
        return candidates.indices.compactMap { judgements[$0] }
    }

    /// What a bundle is judged by: whoever may push can list one as often as he likes, and it is fetched and judged once. Of
    /// the older format the annotations count as well.
    private struct Content: Hashable {
        let digest: OCI.Digest
        let size: Int

        init?(_ candidate: AttachedSignature) {
            guard candidate.location.form == .referrer else { return nil }
            (digest, size) = (candidate.layer.digest, candidate.layer.size)
        }
    }

    /// A large document of another kind is not worth fetching to say so.
    private func rejection(bySaid candidate: AttachedSignature) -> SignatureRejection? {
        guard let named = candidate.predicateType, candidate.layer.size > AttachedSignatures.signatureLimit,
            named != expectation.predicateType, named != ReferencePredicate.type
        else { return nil }
        return SignatureRejection(
            candidate.location, code: "verify.predicate_type",
            observed: "listed as \(named), expected \(expectation.predicateType)")
    }

    /// - Returns: why it does not count, if it does not.
    /// - Throws: as ``verify(_:)``.
    private func judge(
        _ candidate: AttachedSignature, with reading: inout SignatureReading, at place: SignaturePlace,
        _ artifact: ArtifactDigest, _ repository: Repository
    ) async throws -> Result<Signature, SignatureRejection> {
        do {
            return .success(try await signature(candidate, with: &reading, at: place, artifact, repository))
        } catch let rejection as SignatureRejection {
            return .failure(rejection)
        }
    }

    /// - Throws: ``SignatureRejection`` if it does not count; else as ``verify(_:)``.
    private func signature(
        _ candidate: AttachedSignature, with reading: inout SignatureReading, at place: SignaturePlace,
        _ artifact: ArtifactDigest, _ repository: Repository
    ) async throws -> Signature {
        let fetched = try await reading.fetch(candidate).get()
        let verified: VerifiedSignature
        do throws(VerificationError) {
            verified = try verify(fetched.form, artifact, repository)
        } catch {
            throw SignatureRejection(candidate.location, error)
        }
        try expectAnnotations(of: verified, candidate.location)
        return Signature(
            location: candidate.location, verified: verified,
            document: try await document(of: verified, at: place, candidate.location),
            confirmations: try await confirm(verified, fetched.form, repository, candidate.location))
    }

    private func verify(
        _ form: PresentedForm, _ artifact: ArtifactDigest, _ repository: Repository
    ) throws(VerificationError) -> VerifiedSignature {
        let refusal: VerificationError
        do throws(VerificationError) {
            return try verify(form, artifact, repository, expecting: expectation.predicateType)
        } catch {
            guard error.check == .predicateType, !expectation.wantsSignatures else { throw error }
            refusal = error
        }
        // too large for its statement, a document is named there by its digest
        do throws(VerificationError) {
            return try verify(form, artifact, repository, expecting: ReferencePredicate.type)
        } catch {
            throw error.check == .predicateType ? refusal : error
        }
    }

    private func verify(
        _ form: PresentedForm, _ artifact: ArtifactDigest, _ repository: Repository, expecting type: String
    ) throws(VerificationError) -> VerifiedSignature {
        let repositories = expectation.repositories ?? [repository.description]
        switch form {
        case .bundle(let bundle):
            return try verifier.verify(
                bundle, artifact: artifact, by: expectation.signer, expecting: type, repositories: repositories,
                demanding: expectation.demands)
        case .legacy(let legacy):
            return try verifier.verify(
                legacy, image: artifact, by: expectation.signer, expecting: type, repositories: repositories,
                demanding: expectation.demands)
        }
    }

    private func expectAnnotations(
        of verified: VerifiedSignature, _ location: SignatureLocation
    ) throws(SignatureRejection) {
        let seen = verified.annotations
        for (name, value) in expectation.annotations.sorted(by: { $0.key < $1.key }) where seen[name] != value {
            throw SignatureRejection(
                location, code: "verify.annotation",
                observed: seen[name].map { "annotation \(name) is \"\($0)\", expected \"\(value)\"" }
                    ?? "no annotation \(name), expected \"\(value)\"",
                fix: "look for another signature of this artifact")
        }
    }

    private func document(
        of verified: VerifiedSignature, at place: SignaturePlace, _ location: SignatureLocation
    ) async throws -> ReferencedDocument? {
        guard let statement = verified.statement, statement.predicateType == ReferencePredicate.type,
            expectation.predicateType != ReferencePredicate.type
        else { return nil }
        return try await place.document(of: statement, expectation.predicateType, at: location).get()
    }

    private func confirm(
        _ verified: VerifiedSignature, _ form: PresentedForm, _ repository: Repository, _ location: SignatureLocation
    ) async throws -> [LogConfirmation] {
        guard let online else { return [] }
        do {
            return try await online.confirm(verified) { entries in
                _ = try verify(form.with(entries), verified.artifact, repository)
            }
        } catch let error as VerificationError {
            throw SignatureRejection(location, error)
        } catch let error as SigstoreError where OnlineCheck.saysNo(error) {
            throw SignatureRejection(location, code: error.code, observed: error.observed, fix: error.fix)
        }
    }
}

extension SignatureRejection {
    /// A check that failed.
    fileprivate init(_ location: SignatureLocation, _ error: VerificationError) {
        self.init(location, code: error.code, observed: error.observed, fix: error.fix)
    }
}

extension Result<VerifyReference.Signature, SignatureRejection> {
    /// The same of a bundle that is listed there as well.
    fileprivate func at(_ location: SignatureLocation) -> Self {
        map { signature in
            VerifyReference.Signature(
                location: location, verified: signature.verified, document: signature.document,
                confirmations: signature.confirmations)
        }.mapError { rejection in
            SignatureRejection(
                location, code: rejection.code, observed: rejection.observed, fix: rejection.fix,
                isUndetermined: rejection.isUndetermined)
        }
    }
}

extension PresentedForm {
    /// The same signature with other log entries.
    fileprivate func with(_ entries: [TlogEntry]) -> PresentedForm {
        switch self {
        case .bundle(let bundle):
            .bundle(UnverifiedBundle(bundle.content, bundle.material, entries, timestamps: bundle.timestamps))
        case .legacy(let legacy):
            .legacy(legacy.replacing(entry: entries.first))
        }
    }
}
