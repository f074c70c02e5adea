import OCI
import OpenSSL
import Sigstore

/// The identities of the configuration, and the services that they sign with.
package struct Signers: Sendable {
    /// In the configuration's order.
    package let identities: [SigningIdentity]
    package let trust: TrustKeeper
    /// How much each repository may have signed.
    let caps: RepositoryCaps
    private let services: @Sendable () throws -> SigningServices

    /// - Parameter services: those of the moment; they rotate, and nobody restarts for it.
    package init(
        identities: [SigningIdentity], trust: TrustKeeper, caps: RepositoryCaps,
        services: @escaping @Sendable () throws -> SigningServices
    ) {
        self.caps = caps
        self.identities = identities
        self.trust = trust
        self.services = services
    }

    /// The signer that a rule names, with the trust and the services of this moment.
    package func signer(for rule: PolicyConfiguration.Rule) throws -> Signer {
        guard let identity = identities.first(where: { $0.name == rule.identity }) else {
            throw SigningError.unknownIdentity(rule.identity)
        }
        return Signer(identity: identity, services: try services(), trust: trust.current)
    }

    /// The signer of what no rule speaks of: the first identity.
    func firstSigner() throws -> Signer {
        guard let identity = identities.first else { throw SigningError.unknownIdentity("") }
        return Signer(identity: identity, services: try services(), trust: trust.current)
    }

    /// ``SigningServices/areCrowdedByBulk(for:)`` of those of the moment.
    func areCrowdedByBulk(for rules: [PolicyConfiguration.Rule]) -> Bool {
        // what cannot be told here is told where it is needed
        (try? services())?.areCrowdedByBulk(for: rules) ?? false
    }

    /// Whose evidence this is: what was begun under one identity is finished under it, though the rule may name another
    /// now. The rule's, where none is.
    /// - Parameter digest: SHA-256 of the message, where evidence has only the head of it.
    func signer(
        of evidence: Evidence, _ kind: LegacyKind, digest: [UInt8]? = nil, for rule: PolicyConfiguration.Rule
    ) throws -> Signer {
        let preferred = try signer(for: rule)
        let others = identities.filter { $0.name != rule.identity }
        guard !others.isEmpty else { return preferred }
        let leaf = evidence.prepared.certificateChain.first.flatMap { try? Certificate.remembered(der: $0) }
        let document = SignedDocument(
            format: evidence.format, kind: kind, payload: evidence.prepared.payload, digest: digest)
        let identity = ([preferred.identity] + others).first { identity in
            switch (leaf, identity.means) {
            case (let leaf?, .keyless(_, let expected)):
                guard let certificate = try? SigningCertificate(chain: [leaf]) else { return false }
                return certificate.identity == expected.subjectAlternativeName && certificate.issuer == expected.issuer
            case (nil, .key(let managed)):
                let (key, signature) = (managed.publicKey, evidence.prepared.signature)
                switch document.message {
                case .bytes(let message): return (try? key.verify(signature, of: message)) != nil
                case .digest(let digest):
                    return (try? key.verify(signature, prehashed: digest, key.algorithm.defaultScheme)) != nil
                }
            default: return false
            }
        }
        return Signer(identity: identity ?? preferred.identity, services: preferred.services, trust: preferred.trust)
    }
}
