import FoundationEssentials
import OpenSSL

extension Verifier {
    /// The certificate chains to the trusted root at every time, and a certificate transparency log vouches for it.
    func verifyCertificate(
        _ certificate: Certificate, at times: [Date], _ checks: inout [String]
    ) throws(VerificationError) -> VerifiedLeaf {
        var leaf: VerifiedLeaf
        if let known = leaves.leaf(for: certificate.der) {
            leaf = known
        } else {
            leaf = try verifyLeaf(certificate, at: times[0])
            leaves.remember(leaf, for: certificate.der)
        }
        // an instance can be listed twice with other validity: one cached answer need not fit all times
        for time in times where !leaf.isValid(at: time) { leaf = try verifyLeaf(certificate, at: time) }
        checks.append("certificate: chains to \(leaf.authority.uri) at \(times.map(\.rfc3339).joined(separator: ", "))")
        checks.append("certificate transparency: \(leaf.ctLog.baseURL) vouches for the certificate")
        return leaf
    }

    private func verifyLeaf(_ certificate: Certificate, at time: Date) throws(VerificationError) -> VerifiedLeaf {
        var reason = "no certificate authority in the trusted root"
        for authority in root.certificateAuthorities {
            guard authority.validity.contains(time) else {
                reason = "\(time.rfc3339) is outside the trusted root's validity of \(authority.uri)"
                continue
            }
            let chain: [Certificate]
            do throws(CryptoError) {
                chain = try CertificateChain.verify(
                    certificate, intermediates: authority.intermediates, roots: [authority.root], at: time,
                    purpose: .codeSigning)
            } catch {
                reason = "\(error)"
                continue
            }
            guard chain.count > 1 else {
                reason = "a certificate that is its own issuer"
                continue
            }
            let ctLog = try verifyCertificateTimestamps(certificate, issuer: chain[1])
            do throws(SigstoreError) {
                return VerifiedLeaf(
                    chain: chain, authority: authority, ctLog: ctLog, identity: try certificate.signerIdentity(),
                    issuer: try certificate.signerIssuer())
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

    /// The certificate names the expected identity, and the expected issuer vouched for it.
    func verifyIdentity(
        _ leaf: VerifiedLeaf, _ expected: CertificateIdentity, _ checks: inout [String]
    ) throws(VerificationError) {
        guard expected.subjectAlternativeName.matches(leaf.identity) else {
            throw .init(.identity, "signed by \"\(leaf.identity)\", expected \(expected.subjectAlternativeName)")
        }
        guard expected.issuer.matches(leaf.issuer) else {
            throw .init(.issuer, "vouched for by \"\(leaf.issuer)\", expected \(expected.issuer)")
        }
        checks.append("identity: \(printable(leaf.identity)) matches \(expected.subjectAlternativeName)")
        checks.append("issuer: \(printable(leaf.issuer)) matches \(expected.issuer)")
    }
}
