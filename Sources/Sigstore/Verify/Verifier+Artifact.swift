import OpenSSL

extension Verifier {
    /// The signature is over the envelope's pre-authentication encoding, or over the artifact, by `key`.
    func verifySignature(
        _ bundle: UnverifiedBundle, _ artifact: ArtifactDigest, key: PublicKey, _ checks: inout [String]
    ) throws(VerificationError) {
        do throws(CryptoError) {
            switch bundle.content {
            case .envelope(let envelope):
                try key.verify(bundle.content.signature, of: envelope.preAuthenticationEncoding)
                checks.append("signature: \(key.algorithm) over the DSSE envelope")
            case .messageSignature(_, _, let signature):
                guard let scheme = Self.scheme(of: key, for: artifact) else {
                    throw .unsupported("a \(key.algorithm) signature over a \(artifact.algorithm) digest")
                }
                try key.verify(signature, prehashed: artifact.bytes, scheme)
                checks.append("signature: \(key.algorithm) over the artifact \(artifact)")
            }
        } catch {
            throw .init(.signature, "\(error)")
        }
    }

    private static func scheme(of key: PublicKey, for artifact: ArtifactDigest) -> SignatureScheme? {
        let digests: [String: DigestAlgorithm] = ["sha256": .sha256, "sha384": .sha384, "sha512": .sha512]
        guard let digest = digests[artifact.algorithm] else { return nil }
        switch key.algorithm {
        case .ecdsaP256, .ecdsaP384, .ecdsaP521: return .ecdsa(digest)
        case .rsa: return .rsaPKCS1(digest)
        case .ed25519: return nil
        }
    }

    /// What was signed is the artifact, and says what was asked for.
    func verifyArtifact(
        _ bundle: UnverifiedBundle, _ artifact: ArtifactDigest, expecting predicateType: String?,
        _ repositories: [String]?, _ checks: inout [String]
    ) throws(VerificationError) -> Statement? {
        switch bundle.content {
        case .messageSignature(let algorithm, let digest, _):
            // the bundle's digest is a hint; one that contradicts the artifact is a fault all the same
            if algorithm == "SHA2_256", artifact.algorithm == "sha256", let digest, digest != artifact.bytes {
                throw .init(.subject, "the bundle is of sha256:\(Hex.encode(digest)), the artifact is \(artifact)")
            }
            if let predicateType { throw .init(.predicateType, "no statement, \(predicateType) was expected") }
            return nil
        case .envelope(let envelope):
            guard envelope.payloadType == Statement.payloadType else {
                throw .init(.statement, "the payload type is \"\(envelope.payloadType)\"")
            }
            let statement: Statement
            do throws(SigstoreError) {
                statement = try Statement(json: envelope.payload)
            } catch {
                throw .init(.statement, error.observed)
            }
            try verifyStatement(statement, artifact, predicateType, repositories, &checks)
            return statement
        }
    }

    private func verifyStatement(
        _ statement: Statement, _ artifact: ArtifactDigest, _ predicateType: String?, _ repositories: [String]?,
        _ checks: inout [String]
    ) throws(VerificationError) {
        let subjects = statement.subjects.filter { $0.digest[artifact.algorithm] == artifact.hex }
        guard let first = subjects.first else {
            let seen = statement.subjects[0].digest.map { "\($0.key):\($0.value)" }.joined(separator: ", ")
            throw .init(.subject, "\(artifact) is not among the \(statement.subjects.count) subjects (first: \(seen))")
        }
        checks.append("artifact: \(artifact) is a subject of the statement")
        if let predicateType {
            guard statement.predicateType.utf8.elementsEqual(predicateType.utf8) else {
                throw .init(.predicateType, "\(statement.predicateType), expected \(predicateType)")
            }
            checks.append("predicate type: \(predicateType)")
        }
        // ours carry the repository they approve; the name is then ours too and must say the same
        guard let approved = first.annotations[Statement.repositoryAnnotation] else { return }
        guard let repositories else {
            checks.append("repository: approved for \(printable(approved, limit: 300)); not compared with anything")
            return
        }
        let ours = subjects.first { subject in
            let named = subject.annotations[Statement.repositoryAnnotation]
            return repositories.contains { repository in
                named.map { $0.utf8.elementsEqual(repository.utf8) } ?? false
                    && subject.name.map { Self.name($0, is: repository) } ?? true
            }
        }
        guard ours != nil else {
            throw .init(
                .repository,
                "approved for \(approved) (name \(first.name ?? "none")), not for \(repositories.joined(separator: ", "))"
            )
        }
        checks.append("repository: approved for \(printable(approved, limit: 300))")
    }

    /// A subject of a group statement carries `@<short digest>` after the repository, so that names stay unique.
    private static func name(_ name: String, is repository: String) -> Bool {
        name.prefix { $0 != "@" }.utf8.elementsEqual(repository.utf8)
    }
}
