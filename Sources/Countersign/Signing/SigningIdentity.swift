import FoundationEssentials
package import OpenSSL
package import Sigstore

/// As whom we sign, and with what.
package struct SigningIdentity: Sendable {
    /// Its name in the configuration; `default` is what rules use that name none.
    package let name: String
    package let means: Means

    package enum Means: Sendable {
        /// Certificates for whoever our token names, a window long each.
        case keyless(CertificateWindow, ExpectedIdentity)
        /// A key of our own: no certificate, verifiers need the public key.
        case key(ManagedKey)
    }

    /// The subject alternative name and the issuer that we sign as, both compared exactly: from the configuration, never
    /// derived from the token just used.
    package struct ExpectedIdentity: Sendable, Equatable {
        package let subjectAlternativeName: String
        package let issuer: String

        package init(subjectAlternativeName: String, issuer: String) {
            self.subjectAlternativeName = subjectAlternativeName
            self.issuer = issuer
        }

        package var pattern: CertificateIdentity {
            get throws {
                try CertificateIdentity(
                    subjectAlternativeName: .exact(subjectAlternativeName), issuer: .exact(issuer))
            }
        }
    }

    package init(name: String, means: Means) {
        self.name = name
        self.means = means
    }

    /// Whose signature our own output must be.
    package var expected: Verifier.ExpectedSigner {
        get throws {
            switch means {
            case .keyless(_, let identity): .certificate(try identity.pattern)
            case .key(let key): .publicKey(key.publicKey)
            }
        }
    }

    /// What one signing event is made with: one key, and its certificate, for all formats.
    package func credential() async throws -> Credential {
        switch means {
        case .key(let managed): return Credential(key: managed.key, certificate: nil)
        case .keyless(let window, let identity):
            let credential = try await window.credential()
            let certificate = credential.certificate
            guard certificate.identity == identity.subjectAlternativeName, certificate.issuer == identity.issuer else {
                // the token now names somebody else: the next attempt must not find this certificate in the window
                await window.close(certificate)
                throw SigningError.identityMismatch(
                    expected: identity,
                    seen: ExpectedIdentity(
                        subjectAlternativeName: certificate.identity, issuer: certificate.issuer))
            }
            return Credential(key: credential.key, certificate: certificate)
        }
    }

    /// The next signing event gets another certificate: this one turned out to be of no use.
    func discard(_ credential: Credential) async {
        guard case .keyless(let window, _) = means, let certificate = credential.certificate else { return }
        await window.close(certificate)
    }

    /// Certificates obtained since the start.
    package var certificatesIssued: Int {
        get async { if case .keyless(let window, _) = means { await window.issuedCount } else { 0 } }
    }
}

/// A key in memory, and the certificate that says whose it is, unless the key itself does.
package struct Credential: Sendable {
    package let key: PrivateKey
    package let certificate: SigningCertificate?

    var signer: LogSubmission.Signer {
        certificate.map { .certificate($0.leaf) } ?? .publicKey(key.publicKey)
    }
}
