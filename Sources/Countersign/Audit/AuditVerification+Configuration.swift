package import Curl
package import Logging
import Sigstore

extension AuditVerification {
    /// With the identities and the trust material of the configuration.
    package func report(
        _ configuration: Configuration, http: HTTPClient, logger: Logger
    ) async throws -> Report {
        let trust = try await TrustKeeper(configuration, http: http, pool: pool, checksPolicy: false, logger: logger)
        let signers = try configuration.sigstore.allIdentities.map { named -> Verifier.ExpectedSigner in
            switch named.identity.proof {
            case .key(let key): .publicKey(try ManagedKey(key).publicKey)
            case .token:
                .certificate(
                    try CertificateIdentity(
                        subjectAlternativeName: .exact(named.identity.subjectAlternativeName),
                        issuer: .exact(named.identity.issuer)))
            }
        }
        return try await report(by: signers, trust.current.verifier)
    }
}
