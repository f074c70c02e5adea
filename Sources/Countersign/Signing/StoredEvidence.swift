import OCI
import OpenSSL
import Sigstore

/// What an earlier attempt left in the tables is not believed: whoever can write a row there could have the daemon enter
/// anything in a public log, or put anything under an image. So a row is held to what the line demands of its own work:
///
/// | found | before | is demanded |
/// |---|---|---|
/// | prepared (commit point 1) | its bytes go to the log | everything that is known before the log, and that they are those of its signature |
/// | logged (commit point 2) | it is pushed | the whole verification, the log entry of the row, a manifest of this very artifact |
extension Signer {
    /// Verifies evidence that was committed and that no log is known to have.
    /// - Parameters:
    ///   - digest: SHA-256 of the message, where the stored payload is only the head of it.
    ///   - verify: what is demanded of the signature; it gets it without a log entry.
    /// - Throws: ``SigningError/ownOutputRejected(code:observed:remedy:)``, ``SigningError/evidenceUnusable(_:)``.
    func verifyStored(
        _ prepared: Evidence.Prepared, _ kind: LegacyKind, digest: [UInt8]? = nil,
        by verify: (PresentedForm) throws -> Void
    ) throws {
        let signer = try submitter(of: prepared)
        let document = SignedDocument(
            format: prepared.format, kind: kind, payload: prepared.payload, digest: digest)
        do {
            try verify(
                document.presented(
                    prepared.signature, by: signer, timestamps: prepared.timestamps))
        } catch let error as VerificationError {
            throw SigningError.ownOutputRejected(
                code: error.code, observed: "what was stored for the log: \(error.observed)")
        }
        try verifyRequest(of: prepared, document.submission(prepared.signature, by: signer))
    }

    /// That the bytes which are to be sent enter this signature, and nothing else.
    /// - Throws: ``SigningError/evidenceUnusable(_:)``.
    private func verifyRequest(of prepared: Evidence.Prepared, _ submission: LogSubmission) throws {
        for request in prepared.requests {
            // of a log that is not in use, ``Submission`` says what becomes
            guard let log = services.log(id: request.log) else { continue }
            guard try log.request(for: submission) == request.bytes else {
                throw SigningError.evidenceUnusable("the request to \(request.log) is not that of its signature")
            }
        }
    }

    /// Whose signature stored evidence claims to be.
    /// - Throws: ``SigningError/evidenceUnusable(_:)`` for none.
    func submitter(of prepared: Evidence.Prepared) throws -> LogSubmission.Signer {
        switch (prepared.certificateChain.first, identity.means) {
        case (let leaf?, _): .certificate(try Certificate.remembered(der: leaf))
        case (nil, .key(let key)): .publicKey(key.publicKey)
        case (nil, .keyless): throw SigningError.evidenceUnusable("no certificate")
        }
    }
}

extension VerifiedSignature {
    /// That the entry which a row names is the one that was verified: it is what the status shows.
    /// - Throws: ``SigningError/evidenceUnusable(_:)``.
    func holds(_ entry: TlogEntry) throws {
        guard tlogEntries.contains(where: { $0.logID == entry.logID && $0.logIndex == entry.logIndex }) else {
            throw SigningError.evidenceUnusable("entry \(entry.logIndex) is not that of its signature")
        }
    }
}

extension BundleReferrer {
    /// That a stored manifest would be listed beside this artifact, and as a signature.
    /// - Throws: ``SigningError/evidenceUnusable(_:)``.
    func belongs(to artifact: OCI.Digest) throws {
        guard subject.digest == artifact else {
            throw SigningError.evidenceUnusable("its manifest is attached to \(subject.digest), not to \(artifact)")
        }
        guard descriptor.artifactType == MediaType.sigstoreBundle else {
            throw SigningError.evidenceUnusable("its manifest is not that of a signature")
        }
    }
}
