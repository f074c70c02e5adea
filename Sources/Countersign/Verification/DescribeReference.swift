package import OCI
package import OpenSSL
package import Sigstore

/// Tells what every signature and attestation of an artifact says of itself.
package struct DescribeReference: Sendable {
    private let registry: RegistryClient
    private let place: SignaturePlace?
    private let judge: SignatureJudge?

    /// - Parameters:
    ///   - place: where signatures are kept, if not beside their images.
    ///   - judge: by whom each is verified besides, whoever signed it; nil: nothing is judged.
    package init(registry: RegistryClient, place: SignaturePlace? = nil, judge: SignatureJudge? = nil) {
        (self.registry, self.place, self.judge) = (registry, place, judge)
    }

    /// What was found at one reference.
    package struct Report: Encodable, Sendable {
        /// The reference, or the file of a bundle.
        package let reference: String
        /// What the reference names; nil for a bundle in a file.
        package let digest: String?
        /// The repository that was looked in, `host/name`; nil for a bundle in a file.
        package let signatureRepository: String?
        package let signatures: [SignatureDescription]
        /// What is listed and cannot be read, and why.
        package let unreadable: [Unreadable]
        /// True if something was not read on which the answer hangs: where there is no signature it might be one, where all
        /// are judged and none is refused it might be one that is; else absent.
        package let undetermined: Bool?

        init(
            _ reference: Reference, _ digest: Digest, in place: SignaturePlace, _ signatures: [SignatureDescription],
            unreadable: [SignatureRejection], isJudged: Bool
        ) {
            (self.reference, self.digest) = (reference.description, digest.description)
            signatureRepository = place.repository.description
            self.signatures = signatures
            self.unreadable = unreadable.map {
                Unreadable(location: $0.location.description, code: $0.code, observed: $0.observed)
            }
            let isOpen = signatures.isEmpty || isJudged && !signatures.contains { $0.verified == false }
            undetermined = isOpen && unreadable.contains { $0.isUndetermined } ? true : nil
        }

        /// A bundle in a file.
        package init(file: String, _ signature: SignatureDescription) {
            (reference, digest, signatureRepository) = (file, nil, nil)
            (signatures, unreadable, undetermined) = ([signature], [], nil)
        }
    }

    /// Something listed that cannot be read.
    package struct Unreadable: Encodable, Sendable {
        package let location: String
        package let code: String
        package let observed: String
    }

    /// - Throws: ``OCIError`` when the registry cannot be asked.
    package func describe(_ reference: Reference) async throws(OCIError) -> Report {
        let digest = try await registry.subject(of: reference).descriptor.digest
        let place = place ?? SignaturePlace(registry: registry, repository: reference.repository)
        let attached = try await place.attached(to: digest)
        var described: [Int: SignatureDescription] = [:]
        var unreadable = attached.unreadable
        var reading = SignatureReading(place, limit: AttachedSignatures.attestationLimit)
        for index in attached.signatures.readingOrder {
            switch try await reading.fetch(attached.signatures[index]) {
            case .failure(let rejection): unreadable.append(rejection)
            case .success(let fetched):
                var description = SignatureDescription(fetched)
                if let judge { (description.verified, description.refusal) = judge(fetched.form, of: digest) }
                described[index] = description
            }
        }
        return Report(
            reference, digest, in: place, attached.signatures.indices.compactMap { described[$0] },
            unreadable: unreadable, isJudged: judge != nil)
    }
}

/// Verifies signatures as those of whoever made them: what they say of themselves then holds, and nothing says that this
/// signer was expected.
package struct SignatureJudge: Sendable {
    private let verifier: Verifier
    private let key: PublicKey?
    private let demands: Verifier.Demands

    /// - Parameters:
    ///   - key: whose signatures are judged beside those with a certificate; a key is not known by anything else.
    ///   - demands: nil: the verifier's.
    package init(_ verifier: Verifier, key: PublicKey? = nil, demanding demands: Verifier.Demands? = nil) {
        (self.verifier, self.key, self.demands) = (verifier, key, demands ?? verifier.demands)
    }

    /// Whether it verifies as a signature of `digest`, and if not, why; no answer, with the reason, for a signature by a key
    /// where none is known.
    func callAsFunction(_ form: PresentedForm, of digest: Digest) -> (verified: Bool?, refusal: String?) {
        guard form.hasCertificate || key != nil else { return (nil, "made with a key, and no key is known") }
        do {
            let artifact = try ArtifactDigest(digest.description)
            let signer = try signer(of: form)
            switch form {
            case .bundle(let bundle):
                _ = try verifier.verify(bundle, artifact: artifact, by: signer, demanding: demands)
            case .legacy(let legacy):
                _ = try verifier.verify(legacy, image: artifact, by: signer, demanding: demands)
            }
            return (true, nil)
        } catch let error as VerificationError {
            return (false, "step \(error.clause): \(error.observed)")
        } catch {
            return (false, "\(error)")
        }
    }

    private func signer(of form: PresentedForm) throws -> Verifier.ExpectedSigner {
        if let key, !form.hasCertificate { return .publicKey(key) }
        return .certificate(
            try CertificateIdentity(subjectAlternativeName: .regex("^.*$"), issuer: .regex("^.*$")))
    }
}

extension PresentedForm {
    /// Whether a certificate signed, not a key.
    fileprivate var hasCertificate: Bool {
        switch self {
        case .bundle(let bundle): if case .certificate = bundle.material { true } else { false }
        case .legacy(let legacy): legacy.certificate != nil
        }
    }
}

extension RegistryClient {
    /// The manifest that a reference names: by digest, or what its tag (without one: `latest`) holds now.
    package func subject(of reference: Reference) async throws(OCIError) -> Manifest {
        if let digest = reference.digest { return try await manifest(reference.repository.name, digest) }
        return try await resolve(reference.repository.name, tag: reference.tag ?? "latest")
    }
}
