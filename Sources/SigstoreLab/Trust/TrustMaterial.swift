import FoundationEssentials
import OpenSSL

/// What clients need to trust and to find a lab, as it is now: `trusted_root.json` (v0.1), `signing_config.json` (v0.2),
/// and both in one file (ClientTrustConfig v0.1) for clients of private instances.
struct TrustMaterial: Sendable {
    let parts: LabParts
    let endpoints: LabEndpoints
    let choice: LogChoice

    var trustedRoot: TrustedRootDocument {
        TrustedRootDocument(
            tlogs: parts.rekor.lineage.all.map { log($0, endpoints.rekor, $0.member.publicKey, $0.member.logID) }
                + parts.tiledLogs.all.map {
                    log($0, endpoints.rekor2(shard: $0.number), $0.member.publicKey, $0.member.logID)
                },
            certificateAuthorities: parts.authorities.all.map {
                authority($0, endpoints.fulcio, "fulcio", $0.member.chain)
            },
            ctlogs: parts.certificateLogs.all.map {
                log($0, endpoints.ctLog, $0.member.publicKey, $0.member.logID)
            },
            // leaf first: replies carry no certificate unless asked, so the leaf must stand here
            timestampAuthorities: parts.timestamps.all.map { authority($0, endpoints.tsa, "tsa", $0.member.chain) })
    }

    var signingConfig: SigningConfigDocument {
        let period = period(parts.authorities.all[0].start, nil)
        func service(_ url: String, _ version: Int = 1, _ operator: String = "countersign-lab")
            -> SigningConfigDocument.Service
        {
            .init(url: url, majorApiVersion: version, validFor: period, operator: `operator`)
        }
        // the newest first; a closed shard stays listed with its end, as public instances do
        let tiled = parts.tiledLogs.all.reversed().map { shard in
            SigningConfigDocument.Service(
                url: endpoints.rekor2(shard: shard.number), majorApiVersion: 2,
                validFor: self.period(shard.start, shard.end),
                operator: choice == .both ? "countersign-lab-tiles" : "countersign-lab")
        }
        let logs =
            switch choice {
            case .v1: [service(endpoints.rekor)]
            case .v2: tiled
            case .any, .both: tiled + [service(endpoints.rekor)]
            }
        return SigningConfigDocument(
            caUrls: [service(endpoints.fulcio)], oidcUrls: [service(endpoints.issuer)], rekorTlogUrls: logs,
            rekorTlogConfig: .init(selector: choice == .both ? "ALL" : "ANY"), tsaUrls: [service(endpoints.tsa)],
            tsaConfig: .init(selector: "ANY"))
    }

    var clientTrustConfig: ClientTrustConfigDocument { .init(trustedRoot: trustedRoot, signingConfig: signingConfig) }

    private func period(_ start: Date, _ end: Date?) -> TrustPeriod {
        TrustPeriod(start: start.formatted(.iso8601), end: end?.formatted(.iso8601))
    }

    private func log<Member>(
        _ generation: Generation<Member>, _ url: String, _ key: PublicKey, _ id: [UInt8]
    ) -> TrustedRootDocument.Log {
        let details = if case .ed25519 = key.algorithm { "PKIX_ED25519" } else { "PKIX_ECDSA_P256_SHA_256" }
        return .init(
            baseUrl: url, hashAlgorithm: "SHA2_256",
            publicKey: .init(
                rawBytes: key.spki.base64, keyDetails: details, validFor: period(generation.start, generation.end)),
            logId: .init(keyId: id.base64))
    }

    private func authority<Member>(
        _ generation: Generation<Member>, _ url: String, _ name: String, _ chain: [Certificate]
    ) -> TrustedRootDocument.Authority {
        .init(
            subject: .init(organization: KeyStore.organization, commonName: name), uri: url,
            certChain: .init(certificates: chain.map { .init(rawBytes: $0.der.base64) }),
            validFor: period(generation.start, generation.end))
    }
}
