/// `validFor` of everything in these documents; both ends RFC 3339.
struct TrustPeriod: Encodable {
    let start: String
    let end: String?
}

/// `dev.sigstore.trustroot.v1.TrustedRoot`.
struct TrustedRootDocument: Encodable {
    struct Log: Encodable {
        struct Key: Encodable {
            let rawBytes: String
            let keyDetails: String
            let validFor: TrustPeriod
        }
        struct ID: Encodable { let keyId: String }
        let baseUrl: String
        let hashAlgorithm: String
        let publicKey: Key
        let logId: ID
    }

    struct Authority: Encodable {
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
        let validFor: TrustPeriod
    }

    let mediaType = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    let tlogs: [Log]
    let certificateAuthorities: [Authority]
    let ctlogs: [Log]
    let timestampAuthorities: [Authority]
}

/// `dev.sigstore.trustroot.v1.SigningConfig`.
struct SigningConfigDocument: Encodable {
    struct Service: Encodable {
        let url: String
        let majorApiVersion: Int
        let validFor: TrustPeriod
        let `operator`: String
    }
    struct Selector: Encodable { let selector: String }

    let mediaType = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
    let caUrls: [Service]
    let oidcUrls: [Service]
    let rekorTlogUrls: [Service]
    let rekorTlogConfig: Selector
    let tsaUrls: [Service]
    let tsaConfig: Selector
}

/// `dev.sigstore.trustroot.v1.ClientTrustConfig`: all that a client of a private instance is given, in one file.
struct ClientTrustConfigDocument: Encodable {
    let mediaType = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
    let trustedRoot: TrustedRootDocument
    let signingConfig: SigningConfigDocument
}
