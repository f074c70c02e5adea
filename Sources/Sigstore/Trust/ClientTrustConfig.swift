import StrictJSON

/// All a client needs of an instance in one file: whom to trust and where to sign (sigstore_trustroot.proto,
/// `ClientTrustConfig` 0.1). Operators of private instances hand it out.
public struct ClientTrustConfig: Sendable {
    /// Whom to trust.
    public let trustedRoot: TrustedRoot
    /// Where to sign.
    public let signingConfig: SigningConfig
    /// The trusted root as a document of its own.
    public let trustedRootJSON: [UInt8]
    /// The signing configuration as a document of its own.
    public let signingConfigJSON: [UInt8]

    /// Reads a client trust configuration.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` with the path of the field.
    public init(json: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "client trust config", parsing: json)
        let mediaType = try document.required("mediaType")
        guard try mediaType.string() == "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json" else {
            throw mediaType.malformed("unknown media type \"\(printable(try mediaType.string(), limit: 100))\"")
        }
        let root = try document.required("trustedRoot")
        let config = try document.required("signingConfig")
        trustedRoot = try TrustedRoot(root)
        signingConfig = try SigningConfig(config)
        trustedRootJSON = root.value.encoded()
        signingConfigJSON = config.value.encoded()
    }
}
