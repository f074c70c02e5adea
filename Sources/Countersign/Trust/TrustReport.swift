package import FoundationEssentials
import OpenSSL
import Sigstore

/// What is trusted and why, for people and scripts.
package struct TrustReport: Sendable, Encodable {
    /// A TUF role.
    package struct Role: Sendable, Encodable {
        package let name: String
        package let version: Int64
        package let expires: Date
        package let expired: Bool
        package let threshold: Int
        package let keyIds: [String]
    }

    /// A certificate or timestamp authority.
    package struct Authority: Sendable, Encodable {
        package let uri: String
        package let organization: String
        package let commonName: String
        package let validFrom: Date
        package let validUntil: Date?
        /// Whether its interval contains this moment.
        package let current: Bool
        /// The trust anchor's subject, and the SHA-256 of its DER.
        package let root: String
        package let rootSha256: String
        package let rootExpires: Date
    }

    /// A transparency or certificate transparency log.
    package struct Log: Sendable, Encodable {
        package let baseUrl: String
        /// The id that entries and SCTs carry.
        package let logId: String
        package let keyDetails: String
        package let validFrom: Date
        package let validUntil: Date?
        package let current: Bool
    }

    /// A service of the signing configuration.
    package struct Service: Sendable, Encodable {
        package let kind: String
        package let url: String
        package let apiVersion: Int
        package let `operator`: String
        package let validFrom: Date
        package let validUntil: Date?
        /// Whether it would be used now.
        package let chosen: Bool
    }

    package let origin: String
    package let readAt: Date
    /// Whether the repository was asked, or only what was kept.
    package let offline: Bool
    package let lab: Bool
    package let roles: [Role]
    package let certificateAuthorities: [Authority]
    package let timestampAuthorities: [Authority]
    package let logs: [Log]
    package let certificateLogs: [Log]
    package let services: [Service]

    package init(_ trust: Trust, isOffline: Bool, at now: Date = Date()) {
        origin = trust.origin
        readAt = trust.readAt
        offline = isOffline
        lab = trust.trustedRoot.isLab
        roles = trust.roles.map { role in
            Role(
                name: role.name, version: role.version, expires: role.expires, expired: role.expires <= now,
                threshold: role.threshold, keyIds: role.keyIDs)
        }
        certificateAuthorities = trust.trustedRoot.certificateAuthorities.map { Authority($0, now) }
        timestampAuthorities = trust.trustedRoot.timestampAuthorities.map { Authority($0, now) }
        logs = trust.trustedRoot.tlogs.map { Log($0, now) }
        certificateLogs = trust.trustedRoot.ctLogs.map { Log($0, now) }
        services = trust.signingConfig.map { Self.services($0, now) } ?? []
    }

    private static func services(_ config: SigningConfig, _ now: Date) -> [Service] {
        let kinds: [(String, [SigningConfig.Service], [SigningConfig.Service])] = [
            (
                "certificate_authority", config.certificateAuthorities,
                (try? config.certificateAuthority(at: now)).map { [$0] } ?? []
            ),
            ("log", config.tlogs, (try? config.logs(at: now)) ?? []),
            ("timestamp_authority", config.timestampAuthorities, (try? config.authorities(at: now)) ?? []),
            ("identity_provider", config.identityProviders, []),
        ]
        return kinds.flatMap { kind, all, chosen in
            all.map { service in
                Service(
                    kind: kind, url: service.url, apiVersion: service.majorApiVersion, operator: service.operatorName,
                    validFrom: service.validity.start, validUntil: service.validity.end,
                    chosen: chosen.contains(service))
            }
        }
    }
}

extension TrustReport.Authority {
    fileprivate init(_ authority: TrustedAuthority, _ now: Date) {
        uri = authority.uri
        organization = authority.organization
        commonName = authority.commonName
        validFrom = authority.validity.start
        validUntil = authority.validity.end
        current = authority.validity.contains(now)
        root = authority.root.subject
        rootSha256 = Hex.encode(Hash.sha256(authority.root.der))
        rootExpires = authority.root.notAfter
    }
}

extension TrustReport.Log {
    fileprivate init(_ log: TrustedLog, _ now: Date) {
        baseUrl = log.baseURL
        logId = Hex.encode(log.logID)
        keyDetails = log.keyDetails
        validFrom = log.validity.start
        validUntil = log.validity.end
        current = log.validity.contains(now)
    }
}
