import FoundationEssentials
import OpenSSL

extension Verifier {
    /// Verifies an entry by itself, of whatever signature it is: the log is trusted, its promise and its checkpoint are its
    /// own, and the entry is under the checkpoint's root (4.4). Of a keyless entry that is dated also the certificate, with
    /// or without a certificate timestamp as ``demands`` say.
    ///
    /// It says that the log took this body, and nothing about an artifact: for that ``verify(_:artifact:by:expecting:repositories:demanding:)``
    /// takes the whole signature.
    /// - Returns: the checks that were made.
    public func verify(_ entry: TlogEntry) throws(VerificationError) -> [VerificationStep] {
        var steps: [VerificationStep] = []
        let (log, key) = try log(of: entry)
        let dated = try integratedTime(of: entry)
        if let dated {
            steps.append(
                .init(.signedEntryTimestamp, "logged at \(dated.time.rfc3339)", against: "the key of \(log.baseURL)"))
        }
        try verifyInclusion(of: entry, in: log, key, isPromised: dated != nil, &steps)
        if let dated, case .certificate(let certificate)? = (try? LoggedSignature(entry))?.signers.first {
            _ = try verifyCertificate(certificate, [], at: [dated.time], demands, &steps)
        }
        return steps
    }

    /// The log that the entry names. An entry without a time of its own may be as old as the log.
    func log(of entry: TlogEntry) throws(VerificationError) -> (TrustedLog, PublicKey) {
        if entry.integratedTime > 0 { return try trustedLog(of: entry, at: [Date(unixSeconds: entry.integratedTime)]) }
        return try trustedLog(of: entry, at: root.tlogs(withID: entry.logID).prefix(1).map(\.validity.start))
    }
}
