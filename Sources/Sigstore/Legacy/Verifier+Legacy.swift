extension Verifier {
    /// Verifies one layer of a `.sig` or `.att` manifest for the image with this digest: the same steps as for a bundle.
    ///
    /// The manifest digest inside the document (for an attestation: a subject of the statement) must be the image's, and
    /// the document's type one of ``SimpleSigningPayload/imageTypes``. The docker reference is compared only where the
    /// signer wrote ``Statement/repositoryAnnotation`` beside it, as we do: the others' are where the image was when it
    /// was signed, and images are copied.
    ///
    /// The format has no inclusion proof: that the entry is in the log rests on the log's signed promise, which must
    /// therefore be there.
    /// - Parameters:
    ///   - predicateType: as for a bundle; a simple signing document counts as `https://sigstore.dev/cosign/sign/v1`.
    ///   - repositories: as for a bundle.
    public func verify(
        _ legacy: LegacySignature, image: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil, demanding demands: Demands? = nil
    ) throws(VerificationError) -> VerifiedSignature {
        try verify(PresentedSignature(legacy), of: image, by: signer, demands ?? self.demands) {
            (steps) throws(VerificationError) in
            try verifyLegacyClaim(legacy, image, expecting: predicateType, repositories, &steps)
        }
    }

    func verifyLegacyClaim(
        _ legacy: LegacySignature, _ image: ArtifactDigest, expecting predicateType: String?,
        _ repositories: [String]?, _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> VerifiedSignature.Claim {
        switch legacy.content {
        case .envelope(let envelope):
            return try verifyEnvelope(envelope, image, expecting: predicateType, repositories, &steps)
        case .payload(let bytes, _):
            return .payload(try verifyPayload(bytes, image, expecting: predicateType, repositories, &steps))
        }
    }

    /// (4.5) The document is an image signature, of this image.
    private func verifyPayload(
        _ bytes: [UInt8], _ image: ArtifactDigest, expecting predicateType: String?, _ repositories: [String]?,
        _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> SimpleSigningPayload {
        let payload: SimpleSigningPayload
        do throws(SigstoreError) {
            payload = try SimpleSigningPayload(json: bytes)
        } catch {
            throw .init(.payload, error.observed)
        }
        guard SimpleSigningPayload.imageTypes.contains(where: { $0.utf8.elementsEqual(payload.type.utf8) }) else {
            throw .init(.payload, "its type is \"\(payload.type)\"")
        }
        guard payload.manifestDigest == image else {
            throw .init(.subject, "the document is of \(payload.manifestDigest), the image is \(image)")
        }
        steps.append(.init(.subject, "manifest digest of the document (\(payload.type))", against: "\(image)"))
        if let predicateType {
            guard predicateType == Statement.cosignSignPredicateType else {
                throw .init(.predicateType, "an image signature, \(predicateType) was expected")
            }
            steps.append(.init(.predicateType, "an image signature", against: "the expected \(predicateType)"))
        }
        if let approved = payload.optional?[Statement.repositoryAnnotation] {
            _ = try verifyRepository(
                [Approval(name: payload.dockerReference, repository: approved)], repositories, &steps)
        } else {
            steps.append(
                .init(
                    .repository,
                    "docker reference \(printable(payload.dockerReference, limit: 300)); not compared, nothing says that it binds"
                ))
        }
        return payload
    }
}
