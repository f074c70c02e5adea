public import OpenSSL

extension Verifier {
    /// Everything that a verifier will check of a bundle and that is known before its log entry exists: all but 4.4.
    ///
    /// A log is public and for ever. With a trusted root that does not belong to the Fulcio or the timestamp authority in
    /// use, every attempt would leave an entry there for a signature that nobody can publish. Without a timestamp nothing
    /// says yet when the signature was made; the certificate is then judged as of its own first moment. A log that does not
    /// date its entries will not say it later either: there a timestamp is demanded, of keys as well, because its entry is
    /// only trusted as of some time.
    /// - Parameters:
    ///   - bundle: without log entries.
    ///   - datedByLog: whether the log that it goes to dates its entries (``TransparencyLog/datesEntries``).
    public func verifyBeforeLogging(
        _ bundle: UnverifiedBundle, artifact: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil, datedByLog: Bool,
        demanding demands: Demands? = nil
    ) throws(VerificationError) {
        try verifyBeforeLogging(PresentedSignature(bundle, artifact), by: signer, datedByLog, demands ?? self.demands) {
            (steps) throws(VerificationError) in
            try verifyArtifact(bundle, artifact, expecting: predicateType, repositories, &steps)
        }
    }

    /// The same for a signature in the older format, without its log entry.
    public func verifyBeforeLogging(
        _ legacy: LegacySignature, image: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil, datedByLog: Bool,
        demanding demands: Demands? = nil
    ) throws(VerificationError) {
        try verifyBeforeLogging(PresentedSignature(legacy), by: signer, datedByLog, demands ?? self.demands) {
            (steps) throws(VerificationError) in
            try verifyLegacyClaim(legacy, image, expecting: predicateType, repositories, &steps)
        }
    }

    /// What all forms share; `claim` judges what was said of the artifact.
    func verifyBeforeLogging(
        _ presented: PresentedSignature, by signer: ExpectedSigner, _ datedByLog: Bool, _ demands: Demands,
        claim judge: (inout [VerificationStep]) throws(VerificationError) -> VerifiedSignature.Claim
    ) throws(VerificationError) {
        var steps: [VerificationStep] = []
        let material = try material(of: presented, for: signer)
        try verifySignature(presented, by: material, &steps)
        _ = try judge(&steps)
        let times = try timestampTimes(of: presented, &steps)
        if demands.needsTimestamp, times.isEmpty { throw .init(.timestamp, "no timestamp, one is demanded") }
        guard datedByLog || !times.isEmpty else {
            throw .init(.time, "no timestamp, and the log does not date its entries")
        }
        guard case .certificate(let certificate) = material, case .certificate(let expected) = signer else { return }
        let leaf = try verifyCertificate(
            certificate, presented.intermediates, at: times.isEmpty ? [certificate.notBefore] : times.map(\.time),
            demands, &steps)
        try verifyIdentity(leaf, expected, &steps)
    }

    /// As ``verifyBeforeLogging(_:artifact:by:expecting:repositories:datedByLog:demanding:)``, of an envelope with its timestamp.
    public func verifyBeforeLogging(
        _ envelope: Envelope, certificate: Certificate, timestamp: [UInt8], artifact: ArtifactDigest,
        identity: CertificateIdentity, expecting predicateType: String? = nil, repositories: [String]? = nil
    ) throws(VerificationError) {
        try verifyBeforeLogging(
            UnverifiedBundle(.envelope(envelope), .certificate(certificate.der), [], timestamps: [timestamp]),
            artifact: artifact, by: .certificate(identity), expecting: predicateType, repositories: repositories,
            datedByLog: false)
    }
}
