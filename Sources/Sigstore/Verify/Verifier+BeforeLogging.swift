public import OpenSSL

extension Verifier {
    /// Everything that a verifier will check of a signature and that is known before its log entry exists: steps (0) to
    /// (3), (8) and (9) of ``verify(_:artifact:by:expecting:repositories:)``.
    ///
    /// A log is public and for ever. With a trusted root that does not belong to the Fulcio or the timestamp authority in
    /// use, every attempt would leave an entry there for a signature that nobody can publish.
    /// - Parameter timestamp: the authority's whole answer; it establishes the time at which the certificate must hold.
    public func verifyBeforeLogging(
        _ envelope: Envelope, certificate: Certificate, timestamp: [UInt8], artifact: ArtifactDigest,
        identity: CertificateIdentity, expecting predicateType: String? = nil, repositories: [String]? = nil
    ) throws(VerificationError) {
        let bundle = UnverifiedBundle(
            version: .v03, material: .certificate(certificate.der), content: .envelope(envelope), tlogEntries: [],
            timestamps: [timestamp])
        var checks: [String] = []
        try verifySignature(bundle, artifact, key: certificate.publicKey, &checks)
        _ = try verifyArtifact(bundle, artifact, expecting: predicateType, repositories, &checks)
        let times = try observerTimes(of: bundle, &checks)
        let leaf = try verifyCertificate(certificate, at: times.map(\.time), &checks)
        try verifyIdentity(leaf, identity, &checks)
    }
}
