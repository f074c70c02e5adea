import FoundationEssentials
import OpenSSL

extension Verifier {
    /// (4.3) The certificate chains to the trusted root at every time, and a certificate transparency log vouches for it.
    ///
    /// `offered` intermediates may complete the path, never end it.
    func verifyCertificate(
        _ certificate: Certificate, _ offered: [Certificate], at times: [Date], _ demands: Demands,
        _ steps: inout [VerificationStep]
    ) throws(VerificationError) -> VerifiedLeaf {
        var leaf: VerifiedLeaf
        if let known = leaves.value(for: certificate.der) {
            leaf = known
        } else {
            leaf = try verifyLeaf(certificate, offered, at: times[0])
            leaves.remember(leaf, for: certificate.der)
        }
        // an instance can be listed twice with other validity: one cached answer need not fit all times
        for time in times where !leaf.isValid(at: time) { leaf = try verifyLeaf(certificate, offered, at: time) }
        steps.append(
            .init(
                .chain, "chains to \(leaf.authority.uri) at \(times.map(\.rfc3339).joined(separator: ", "))",
                against: "root \(printable(leaf.authority.root.subject, limit: 200))"))
        steps.append(try transparency(of: certificate, leaf, demands))
        return leaf
    }

    /// The word of a certificate transparency log: embedded, beside the certificate, or not asked for.
    private func transparency(
        of certificate: Certificate, _ leaf: VerifiedLeaf, _ demands: Demands
    ) throws(VerificationError) -> VerificationStep {
        switch leaf.ctLog {
        case .success(let log):
            return .init(
                .certificateTimestamp, "embedded timestamp of the certificate", against: "the key of \(log.baseURL)")
        case .failure(let refusal):
            guard demands.acceptsUntransparentCertificates, try Self.hasNoTimestamp(certificate) else { throw refusal }
            return .init(.certificateTimestamp, "the certificate has no timestamp, and none was asked for")
        }
    }

    private static func hasNoTimestamp(_ certificate: Certificate) throws(VerificationError) -> Bool {
        do throws(CryptoError) {
            return try certificate.signedCertificateTimestamps().isEmpty
        } catch {
            throw .init(.certificateTimestamp, "\(error)")
        }
    }

    private func verifyLeaf(
        _ certificate: Certificate, _ offered: [Certificate], at time: Date
    ) throws(VerificationError) -> VerifiedLeaf {
        guard certificate.notBefore <= time, time <= certificate.notAfter else {
            throw .noValidCertificate(certificate, "the signature was made at \(time.rfc3339)")
        }
        var reason = "no certificate authority in the trusted root"
        for authority in root.certificateAuthorities {
            guard authority.validity.contains(time) else {
                reason = "\(time.rfc3339) is outside the trusted root's validity of \(authority.uri)"
                continue
            }
            let chain: [Certificate]
            do throws(CryptoError) {
                chain = try CertificateChain.verify(
                    certificate, intermediates: authority.intermediates + offered, roots: [authority.root], at: time,
                    purpose: .codeSigning)
            } catch {
                reason = "\(error)"
                continue
            }
            guard chain.count > 1 else {
                reason = "a certificate that is its own issuer"
                continue
            }
            let ctLog = Result { () throws(VerificationError) in
                try verifyCertificateTimestamps(certificate, issuer: chain[1])
            }
            do throws(SigstoreError) {
                return VerifiedLeaf(
                    chain: chain, authority: authority, ctLog: ctLog, identity: try certificate.signerIdentity(),
                    issuer: try certificate.signerIssuer(), extensions: try FulcioExtension.all(of: certificate))
            } catch {
                throw .init(.identity, error.observed)
            }
        }
        throw .init(.chain, reason)
    }

    /// One embedded SCT of a trusted log (RFC 6962 §3.3), signed while the trusted root trusts the log.
    private func verifyCertificateTimestamps(
        _ certificate: Certificate, issuer: Certificate
    ) throws(VerificationError) -> TrustedLog {
        var reason = "the certificate has no signed certificate timestamp"
        do throws(CryptoError) {
            for timestamp in try certificate.signedCertificateTimestamps().prefix(16) {
                reason = "no certificate transparency log with id \(Hex.encode(timestamp.logID)) in the trusted root"
                for log in root.ctLogs(withID: timestamp.logID) {
                    guard log.validity.contains(timestamp.time), let key = log.key else {
                        reason = "\(log.baseURL) is not trusted at \(timestamp.time.rfc3339)"
                        continue
                    }
                    do throws(CryptoError) {
                        try timestamp.verify(for: certificate, issuer: issuer, key: key)
                        return log
                    } catch {
                        reason = "not by \(log.baseURL): \(error)"
                    }
                }
            }
        } catch {
            reason = "\(error)"
        }
        throw .init(.certificateTimestamp, reason)
    }

    /// (4.3) The certificate names the expected identity, the expected issuer vouched for it, and the extensions say what
    /// is expected.
    func verifyIdentity(
        _ leaf: VerifiedLeaf, _ expected: CertificateIdentity, _ steps: inout [VerificationStep]
    ) throws(VerificationError) {
        guard expected.subjectAlternativeName.matches(leaf.identity) else {
            throw .init(.identity, "signed by \"\(leaf.identity)\", expected \(expected.subjectAlternativeName)")
        }
        guard expected.issuer.matches(leaf.issuer) else {
            throw .init(.issuer, "vouched for by \"\(leaf.issuer)\", expected \(expected.issuer)")
        }
        steps.append(.init(.identity, printable(leaf.identity), against: "\(expected.subjectAlternativeName)"))
        steps.append(.init(.issuer, printable(leaf.issuer), against: "\(expected.issuer)"))
        for (field, pattern) in expected.extensions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let value = leaf.extensions.first(where: { $0.kind == field })?.value else {
                throw .init(.certificateExtension, "the certificate has no \(field.name), expected \(pattern)")
            }
            guard pattern.matches(value) else {
                throw .init(.certificateExtension, "\(field.name) is \"\(value)\", expected \(pattern)")
            }
            steps.append(.init(.certificateExtension, "\(field.name) \(printable(value))", against: "\(pattern)"))
        }
    }
}

extension VerificationError {
    /// A certificate that did not hold at the moment that counts.
    static func noValidCertificate(_ certificate: Certificate, _ moment: String) -> Self {
        .init(
            .certificateValidity,
            "no valid certificate: \(moment), the certificate is valid from \(certificate.notBefore.rfc3339) to "
                + certificate.notAfter.rfc3339)
    }
}
