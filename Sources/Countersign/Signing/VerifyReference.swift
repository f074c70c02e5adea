package import OCI
package import Sigstore

/// Judges what a registry serves for a reference: every bundle attached to it, by our own verifier.
package struct VerifyReference: Sendable {
    private let registry: RegistryClient
    private let verifier: Verifier
    private let identity: CertificateIdentity
    private let predicateType: String
    private let repositories: [String]?

    /// - Parameters:
    ///   - predicateType: the kind of statement that counts. An SBOM attestation is not a signature for us (it is for cosign).
    ///   - repositories: names under which a statement may speak of the artifact, for declared replicas; nil: only the one asked for.
    package init(
        registry: RegistryClient, verifier: Verifier, identity: CertificateIdentity,
        predicateType: String = Statement.cosignSignPredicateType, repositories: [String]? = nil
    ) {
        self.registry = registry
        self.verifier = verifier
        self.identity = identity
        self.predicateType = predicateType
        self.repositories = repositories
    }

    /// What was found at one reference.
    package struct Report: Sendable {
        package let reference: Reference
        package let digest: Digest
        package let mediaType: String
        /// Bundles that passed every check.
        package let signatures: [Signature]
        /// Bundles that did not, and why.
        package let rejected: [Rejection]
        /// Whether at least one signature by the expected identity verifies.
        package var isVerified: Bool { !signatures.isEmpty }
    }

    package struct Signature: Sendable {
        /// The referrer manifest that carries the bundle.
        package let referrer: Digest
        package let bundle: VerifiedBundle
    }

    package struct Rejection: Sendable {
        package let referrer: Digest
        package let code: String
        package let observed: String
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
        let found = try await registry.bundles(name, of: digest)
        var signatures: [Signature] = []
        var rejected = found.missing.map {
            Rejection(
                referrer: $0.digest, code: "verify.missing", observed: "listed, but the registry does not have it")
        }
        rejected += found.unreadable.map {
            Rejection(referrer: $0.manifest.digest, code: $0.code, observed: $0.observed)
        }
        for attached in found.bundles {
            do {
                let verified = try verifier.verify(
                    UnverifiedBundle(json: attached.bytes), artifact: ArtifactDigest(digest.description),
                    identity: identity, expecting: predicateType,
                    repositories: repositories ?? [reference.repository.description])
                signatures.append(Signature(referrer: attached.manifest.digest, bundle: verified))
            } catch let error as VerificationError {
                rejected.append(
                    Rejection(referrer: attached.manifest.digest, code: error.code, observed: error.observed))
            } catch let error as SigstoreError {
                rejected.append(
                    Rejection(referrer: attached.manifest.digest, code: error.code, observed: error.observed))
            } catch {
                rejected.append(
                    Rejection(referrer: attached.manifest.digest, code: "verify.unexpected", observed: "\(error)"))
            }
        }
        return Report(
            reference: reference, digest: digest, mediaType: subject.descriptor.mediaType, signatures: signatures,
            rejected: rejected)
    }
}
