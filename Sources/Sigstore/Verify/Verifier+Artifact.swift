import OpenSSL

extension Verifier {
    /// (4.5) The signature is over the envelope's pre-authentication encoding, the document, or the artifact, by this key.
    func verifySignature(
        _ presented: PresentedSignature, by material: VerificationMaterial, _ steps: inout [VerificationStep]
    ) throws(VerificationError) {
        let what =
            switch presented.content {
            case .envelope: "the DSSE envelope"
            case .message: "the simple signing document"
            case .artifact(let artifact, _): "the artifact \(artifact)"
            }
        let whose =
            switch material {
            case .certificate: "the certificate's key"
            case .publicKey: "the given key"
            }
        if case .artifact(let artifact, let contents) = presented.content {
            try verifyContents(contents, of: artifact, by: material.key)
        }
        do throws(CryptoError) {
            let scheme = try material.key.verify(presented.signature, over: presented.content)
            steps.append(.init(.signature, "\(scheme.name) over \(what)", against: whose))
        } catch {
            throw .init(.signature, "\(error)")
        }
    }

    /// (4.5) The bytes are the artifact's, and are there where its digest is not enough.
    private func verifyContents(
        _ contents: [UInt8]?, of artifact: ArtifactDigest, by key: PublicKey
    ) throws(VerificationError) {
        guard let contents else {
            guard key.algorithm == .ed25519 else { return }
            throw .init(
                .signature, "Ed25519 signs the artifact's bytes, and only its digest \(artifact) is known",
                fix: "give the file that was signed (bundle verify --artifact FILE)")
        }
        guard let algorithm = DigestAlgorithm(rawValue: artifact.algorithm),
            Hash.digest(algorithm, contents) == artifact.bytes
        else { throw .init(.subject, "the bytes are not those of \(artifact)") }
    }

    /// (4.5) What was signed is the artifact, and says what was asked for.
    func verifyArtifact(
        _ bundle: UnverifiedBundle, _ artifact: ArtifactDigest, expecting predicateType: String?,
        _ repositories: [String]?, _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> VerifiedSignature.Claim {
        switch bundle.content {
        case .messageSignature(let algorithm, let digest, _):
            // the bundle's digest is a hint; one that contradicts the artifact is a fault all the same
            if let algorithm, let digest {
                guard let name = ArtifactDigest.algorithms[algorithm] else {
                    throw .init(.subject, "the bundle is of a \(printable(algorithm, limit: 20)) digest")
                }
                guard name != artifact.algorithm || digest == artifact.bytes else {
                    throw .init(.subject, "the bundle is of \(name):\(Hex.encode(digest)), the artifact is \(artifact)")
                }
            }
            if let predicateType { throw .init(.predicateType, "no statement, \(predicateType) was expected") }
            return .artifact
        case .envelope(let envelope):
            return try verifyEnvelope(envelope, artifact, expecting: predicateType, repositories, &steps)
        }
    }

    /// (4.5) The payload is an in-toto statement that has the artifact among its subjects.
    func verifyEnvelope(
        _ envelope: Envelope, _ artifact: ArtifactDigest, expecting predicateType: String?, _ repositories: [String]?,
        _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> VerifiedSignature.Claim {
        let statement = try statement(of: envelope)
        let subjects = statement.subjects.filter { $0.digest[artifact.algorithm] == artifact.hex }
        let subject = try verifyClaim(
            of: statement, subjects, artifact, expecting: predicateType, repositories, &steps)
        return .statement(statement, about: subject)
    }

    /// The statement in an envelope.
    func statement(of envelope: Envelope) throws(VerificationError) -> Statement {
        guard envelope.payloadType == Statement.payloadType else {
            throw .init(.statement, "the payload type is \"\(envelope.payloadType)\"")
        }
        do throws(SigstoreError) {
            // how much is read was decided when the envelope was
            return try Statement(json: envelope.payload, limits: UnverifiedBundle.attestationLimits)
        } catch {
            throw .init(.statement, error.observed)
        }
    }

    /// What a statement says of one artifact.
    /// - Parameter subjects: those of its subjects that have the artifact's digest.
    /// - Returns: the one of them that was meant.
    func verifyClaim(
        of statement: Statement, _ subjects: [Statement.Subject], _ artifact: ArtifactDigest,
        expecting predicateType: String?, _ repositories: [String]?, _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> Statement.Subject {
        guard let first = subjects.first else {
            let seen = statement.subjects[0].digest.map { "\($0.key):\($0.value)" }.joined(separator: ", ")
            throw .init(.subject, "\(artifact) is not among the \(statement.subjects.count) subjects (first: \(seen))")
        }
        steps.append(
            .init(.subject, "one of \(statement.subjects.count) subjects of the statement", against: "\(artifact)"))
        if let predicateType {
            guard statement.predicateType.utf8.elementsEqual(predicateType.utf8) else {
                throw .init(.predicateType, "\(statement.predicateType), expected \(predicateType)")
            }
            steps.append(.init(.predicateType, predicateType, against: "the expected one"))
        }
        // ours carry the repository they approve; the name is then ours too and must say the same
        guard first.annotations[Statement.repositoryAnnotation] != nil else { return first }
        let approved = try verifyRepository(
            subjects.map { Approval(name: $0.name, repository: $0.annotations[Statement.repositoryAnnotation]) },
            repositories, &steps)
        return subjects[approved]
    }

    /// What a subject says about the repository it is approved in.
    struct Approval {
        let name: String?
        let repository: String?
    }

    /// An approval counts in the repository that it names. Our own policy, beside the specification: stock verifiers
    /// accept a signature wherever its digest is.
    /// - Returns: the place of the approval that counts; of the first where nothing is compared.
    func verifyRepository(
        _ approvals: [Approval], _ repositories: [String]?, _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> Int {
        let approved = printable(approvals.first?.repository ?? "", limit: 300)
        guard let repositories else {
            steps.append(.init(.repository, "approved for \(approved); not compared with anything"))
            return 0
        }
        let ours = approvals.firstIndex { approval in
            repositories.contains { repository in
                approval.repository.map { $0.utf8.elementsEqual(repository.utf8) } ?? false
                    && approval.name.map { Self.name($0, is: repository) } ?? true
            }
        }
        guard let ours else {
            throw .init(
                .repository,
                "approved for \(approved) (name \(approvals.first?.name ?? "none")), not for \(repositories.joined(separator: ", "))"
            )
        }
        steps.append(
            .init(
                .repository, "approved for \(printable(approvals[ours].repository ?? "", limit: 300))",
                against: repositories.joined(separator: ", ")))
        return ours
    }

    /// A subject of a group statement carries `@<short digest>` after the repository, so that names stay unique.
    private static func name(_ name: String, is repository: String) -> Bool {
        name.prefix { $0 != "@" }.utf8.elementsEqual(repository.utf8)
    }
}
