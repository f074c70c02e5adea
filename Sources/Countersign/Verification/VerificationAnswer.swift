package import FoundationEssentials
import OCI
import OpenSSL
package import Sigstore

/// A report as scripts read it (`--output json`), and as people do. Members are added, never renamed or removed.
package struct VerificationAnswer: Encodable {
    package let reference: String
    package let digest: String
    package let mediaType: String
    /// The kind of claim that was looked for.
    package let predicateType: String
    package let verified: Bool
    /// True if nothing verified, and something that might was not read; else absent.
    package let undetermined: Bool?
    package let signatures: [Signature]
    package let rejected: [Rejected]
    /// Who withdrew the artifact; absent if nobody did, or no daemon was asked.
    package let revocation: VerifyReference.Revocation?
    /// Which role of the trust material had expired; absent if none had.
    package let trustExpiry: TrustExpiry?

    package struct Signature: Encodable {
        package let location: Location
        package let signer: Signed
        package let document: Document?
        /// What the logs said, if they were asked (`--online`).
        package let online: [LogConfirmation]
        /// Where a newer VEX document of the same signer is; absent if there is none.
        package let supersededBy: String?

        /// One level for readers: where it was found and what was verified.
        package func encode(to encoder: any Encoder) throws {
            try location.encode(to: encoder)
            try signer.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encodeIfPresent(document, forKey: .document)
            if !online.isEmpty { try container.encode(online, forKey: .online) }
            try container.encodeIfPresent(supersededBy, forKey: .supersededBy)
        }

        private enum Key: String, CodingKey { case document, online, supersededBy }
    }

    /// Where a signature was found.
    package struct Location: Encodable {
        package let format: String
        package let repository: String
        package let manifest: String?
        /// The older tag; absent for a referrer.
        package let tag: String?
        package let layer: String?

        init(_ location: SignatureLocation) {
            format = location.format.rawValue
            repository = location.repository.description
            manifest = location.manifest?.description
            tag = location.tag
            layer = location.layer?.description
        }
    }

    /// A document that the attestation names by its digest.
    package struct Document: Encodable {
        package let digest: String
        package let size: Int
        package let mediaType: String?
        package let repository: String
    }

    package struct Rejected: Encodable {
        package let location: Location
        package let code: String
        package let observed: String
        package let fix: String?

        package func encode(to encoder: any Encoder) throws {
            try location.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(code, forKey: .code)
            try container.encode(observed, forKey: .observed)
            try container.encodeIfPresent(fix, forKey: .fix)
        }

        private enum Key: String, CodingKey { case code, observed, fix }
    }

    package init(_ report: VerifyReference.Report) {
        reference = report.reference.description
        digest = report.digest.description
        mediaType = report.mediaType
        predicateType = report.predicateType
        verified = report.isVerified
        undetermined = report.isUndetermined ? true : nil
        revocation = report.revocation
        trustExpiry = report.trustExpiry
        signatures = report.currentFirst.map { signature in
            Signature(
                location: Location(signature.location), signer: Signed(signature.verified),
                document: signature.document.map {
                    Document(
                        digest: $0.digest.description, size: $0.bytes.count, mediaType: $0.mediaType,
                        repository: $0.repository.description)
                }, online: signature.confirmations, supersededBy: signature.supersededBy?.description)
        }
        rejected = report.rejected.map {
            Rejected(location: Location($0.location), code: $0.code, observed: $0.observed, fix: $0.fix)
        }
    }

    /// As people read it.
    package var text: String {
        var lines = [(verified ? "verified" : "NOT VERIFIED") + "  \(reference)", "  digest    \(digest)"]
        if let revocation {
            lines.append("  REVOKED   \(revocation.revokedAt) by \(revocation.revokedBy): \(revocation.reason)")
        }
        for signature in signatures {
            lines.append("  found     \(signature.location.words)")
            if let newer = signature.supersededBy {
                lines.append("  superseded by a newer document of this signer: \(newer)")
            }
            lines += signature.signer.lines
            if let document = signature.document {
                lines.append("  document  \(document.digest), \(document.size) bytes, by reference")
            }
            lines += signature.online.map { "  online    \($0.line)" }
        }
        for one in rejected {
            lines.append("  rejected  \(one.location.words): \(one.observed) [\(one.code)]")
            if let fix = one.fix { lines.append("            fix: \(fix)") }
        }
        if undetermined != nil {
            lines.append("  undetermined: not all that is attached to it could be read")
        }
        if signatures.isEmpty, rejected.isEmpty {
            lines.append(
                "  nothing is attached to it: see that it was signed, and in which repository signatures are kept")
        }
        return lines.map(\.printable).joined(separator: "\n") + "\n"
    }
}

extension VerificationAnswer.Location {
    fileprivate var words: String {
        tag.map { "\(format) \(repository):\($0)" } ?? "\(format) \(repository)" + (manifest.map { "@\($0)" } ?? "")
    }
}

/// What a verified signature says: who, when, in which log, and what was checked.
package struct Signed: Encodable {
    /// The certificate's name and issuer; absent for a key.
    package let identity: String?
    package let issuer: String?
    /// SHA-256 of the key that was given; absent for a certificate.
    package let key: String?
    /// Fulcio's extensions, by the names of its table.
    package let extensions: [String: String]
    package let predicateType: String?
    package let annotations: [String: String]
    /// The first of `times`.
    package let signedAt: Date?
    package let times: [Time]
    /// The first log entry.
    package let tlog: Log?
    package let checks: [VerificationStep]
    package let warnings: [String]

    package struct Log: Encodable {
        /// Absent where neither promise nor proof says it.
        package let index: Int64?
        package let logId: String
        /// Absent where the log's promise does not say it.
        package let integratedAt: Date?
    }

    package struct Time: Encodable {
        package let time: Date
        package let observer: String
        /// `timestamp` or `log`.
        package let kind: String
    }

    package init(_ verified: VerifiedSignature) {
        switch verified.signer {
        case .certificate(let name, let issuer, let certificate):
            (identity, self.issuer, key) = (name, issuer, nil)
            let all = (try? FulcioExtension.all(of: certificate)) ?? []
            extensions = Dictionary(all.map { ($0.kind.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        case .publicKey(let key):
            (identity, issuer, self.key) = (nil, nil, Hex.encode(Hash.sha256(key.spki)))
            extensions = [:]
        }
        predicateType = verified.predicateType
        annotations = verified.annotations
        signedAt = verified.time
        times = verified.times.map {
            Time(time: $0.time, observer: $0.observer, kind: $0.isTimestamp ? "timestamp" : "log")
        }
        tlog = verified.tlogEntry.map { entry in
            Log(index: entry.provenIndex, logId: Hex.encode(entry.logID), integratedAt: entry.provenTime)
        }
        checks = verified.steps
        warnings = verified.warnings
    }

    var lines: [String] {
        var lines: [String] = []
        if let identity { lines.append("  signed by \(identity)") }
        if let issuer { lines.append("  issuer    \(issuer)") }
        if let key { lines.append("  signed by the key given (sha256 \(key))") }
        if let signedAt { lines.append("  signed at \(signedAt.formatted(.iso8601))") }
        if let index = tlog?.index { lines.append("  log index \(index)") }
        for name in annotations.keys.sorted() { lines.append("  says      \(name)=\(annotations[name] ?? "")") }
        lines += checks.map { "    · \($0.clause) \($0)" }
        lines += warnings.map { "  warning   \($0)" }
        return lines
    }
}
