package import OCI
package import Sigstore

/// Tells what every signature and attestation of an artifact says of itself.
package struct DescribeReference: Sendable {
    private let registry: RegistryClient
    private let place: SignaturePlace?
    private let verifier: Verifier?

    /// - Parameters:
    ///   - place: where signatures are kept, if not beside their images.
    ///   - verifier: with which each is verified besides, whoever signed it; nil: nothing is judged.
    package init(registry: RegistryClient, place: SignaturePlace? = nil, verifier: Verifier? = nil) {
        (self.registry, self.place, self.verifier) = (registry, place, verifier)
    }

    /// What was found at one reference.
    package struct Report: Encodable, Sendable {
        /// The reference, or the file of a bundle.
        package let reference: String
        /// What the reference names; nil for a bundle in a file.
        package let digest: String?
        package let signatures: [SignatureDescription]
        /// What is listed and cannot be read, and why.
        package let unreadable: [Unreadable]

        init(reference: String, digest: String?, signatures: [SignatureDescription], unreadable: [Unreadable]) {
            (self.reference, self.digest) = (reference, digest)
            (self.signatures, self.unreadable) = (signatures, unreadable)
        }

        /// A bundle in a file.
        package init(file: String, _ signature: SignatureDescription) {
            self.init(reference: file, digest: nil, signatures: [signature], unreadable: [])
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
        var signatures: [SignatureDescription] = []
        var unreadable = attached.unreadable
        for one in attached.signatures {
            switch try await place.fetch(one, limit: AttachedSignatures.attestationLimit) {
            case .failure(let rejection): unreadable.append(rejection)
            case .success(let fetched):
                var description = SignatureDescription(fetched)
                if let verifier { description.judge(fetched.form, of: digest, with: verifier) }
                signatures.append(description)
            }
        }
        return Report(
            reference: reference.description, digest: digest.description, signatures: signatures,
            unreadable: unreadable.map {
                Unreadable(location: $0.location.description, code: $0.code, observed: $0.observed)
            })
    }
}

extension SignatureDescription {
    /// Verifies it as a signature of `digest` by whoever its certificate names: what is said above then holds, and nothing
    /// says that this signer was expected.
    package mutating func judge(_ form: PresentedForm, of digest: Digest, with verifier: Verifier) {
        do {
            let artifact = try ArtifactDigest(digest.description)
            let anybody = Verifier.ExpectedSigner.certificate(
                try CertificateIdentity(subjectAlternativeName: .regex("^.*$"), issuer: .regex("^.*$")))
            switch form {
            case .bundle(let bundle): _ = try verifier.verify(bundle, artifact: artifact, by: anybody)
            case .legacy(let legacy): _ = try verifier.verify(legacy, image: artifact, by: anybody)
            }
            verified = true
        } catch let error as VerificationError {
            (verified, refusal) = (false, "step \(error.clause): \(error.observed)")
        } catch {
            (verified, refusal) = (false, "\(error)")
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
