import FoundationEssentials
import OpenSSL

/// What clients need to trust and to find a lab: `trusted_root.json` (v0.1) and `signing_config.json` (v0.2).
struct TrustMaterial: Sendable {
    let validFrom: Date
    let fulcio: CertificateAuthority
    let ctKey: PublicKey
    let rekorKey: PublicKey
    /// Leaf first: replies carry no certificate unless asked, so the leaf must stand here.
    let timestampChain: [Certificate]

    func trustedRoot(_ endpoints: LabEndpoints) throws -> [UInt8] {
        let period = Period(start: validFrom.formatted(.iso8601))
        return try canonicalJSON(
            Root(
                mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                tlogs: [log(endpoints.rekor, rekorKey, period)],
                certificateAuthorities: [authority(endpoints.fulcio, fulcio.chain, period)],
                ctlogs: [log(endpoints.ctLog, ctKey, period)],
                timestampAuthorities: [authority(endpoints.tsa, timestampChain, period)]))
    }

    func signingConfig(_ endpoints: LabEndpoints) throws -> [UInt8] {
        let period = Period(start: validFrom.formatted(.iso8601))
        func service(_ url: String) -> [Service] {
            [Service(url: url, majorApiVersion: 1, validFor: period, operator: "countersign-lab")]
        }
        return try canonicalJSON(
            SigningConfig(
                mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json", caUrls: service(endpoints.fulcio),
                oidcUrls: service(endpoints.issuer), rekorTlogUrls: service(endpoints.rekor),
                rekorTlogConfig: .init(selector: "ANY"), tsaUrls: service(endpoints.tsa),
                tsaConfig: .init(selector: "ANY")))
    }

    private func log(_ url: String, _ key: PublicKey, _ period: Period) -> Log {
        Log(
            baseUrl: url, hashAlgorithm: "SHA2_256",
            publicKey: .init(rawBytes: key.spki.base64, keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor: period),
            logId: .init(keyId: Hash.sha256(key.spki).base64))
    }

    private func authority(_ url: String, _ chain: [Certificate], _ period: Period) -> Authority {
        Authority(
            subject: .init(
                organization: KeyStore.organization, commonName: url.hasSuffix("timestamp") ? "tsa" : "fulcio"),
            uri: url, certChain: .init(certificates: chain.map { .init(rawBytes: $0.der.base64) }), validFor: period)
    }

    private struct Period: Encodable { let start: String }

    private struct Root: Encodable {
        let mediaType: String
        let tlogs: [Log]
        let certificateAuthorities: [Authority]
        let ctlogs: [Log]
        let timestampAuthorities: [Authority]
    }

    private struct Log: Encodable {
        struct Key: Encodable {
            let rawBytes: String
            let keyDetails: String
            let validFor: Period
        }
        struct ID: Encodable { let keyId: String }
        let baseUrl: String
        let hashAlgorithm: String
        let publicKey: Key
        let logId: ID
    }

    private struct Authority: Encodable {
        struct Subject: Encodable {
            let organization: String
            let commonName: String
        }
        struct Chain: Encodable {
            struct Bytes: Encodable { let rawBytes: String }
            let certificates: [Bytes]
        }
        let subject: Subject
        let uri: String
        let certChain: Chain
        let validFor: Period
    }

    private struct Service: Encodable {
        let url: String
        let majorApiVersion: Int
        let validFor: Period
        let `operator`: String
    }

    private struct SigningConfig: Encodable {
        struct Selector: Encodable { let selector: String }
        let mediaType: String
        let caUrls: [Service]
        let oidcUrls: [Service]
        let rekorTlogUrls: [Service]
        let rekorTlogConfig: Selector
        let tsaUrls: [Service]
        let tsaConfig: Selector
    }
}
