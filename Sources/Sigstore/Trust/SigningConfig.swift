import FoundationEssentials

/// Where to sign: the services of an instance, version 0.2 (sigstore_trustroot.proto, `SigningConfig`).
public struct SigningConfig: Sendable {
    /// One service.
    public struct Service: Sendable, Equatable {
        /// Its URL; a timestamp authority's is the full one.
        public let url: String
        /// The API version it speaks.
        public let majorApiVersion: Int
        /// When to use it.
        public let validity: ValidityWindow
        /// Who runs it; at most one service per operator is used.
        public let operatorName: String
    }

    /// How many of several services are used.
    public enum Selector: Sendable, Equatable {
        /// One of them.
        case any
        /// Each that is valid.
        case all
        /// This many, or it is an error.
        case exact(Int)
    }

    /// Fulcio instances.
    public let certificateAuthorities: [Service]
    /// OIDC issuers for interactive use.
    public let identityProviders: [Service]
    /// Rekor logs.
    public let tlogs: [Service]
    /// How many logs get an entry.
    public let tlogSelector: Selector
    /// Timestamp authorities.
    public let timestampAuthorities: [Service]
    /// How many authorities give a timestamp.
    public let timestampSelector: Selector

    /// Reads a signing configuration.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` with the path of the field.
    public init(json: [UInt8]) throws(SigstoreError) {
        try self.init(try JSONField(document: "signing config", parsing: json))
    }

    init(_ document: JSONField) throws(SigstoreError) {
        let mediaType = try document.required("mediaType")
        guard try mediaType.string() == "application/vnd.dev.sigstore.signingconfig.v0.2+json" else {
            throw mediaType.malformed("unknown media type \"\(printable(try mediaType.string(), limit: 100))\"")
        }
        certificateAuthorities = try Self.services(document, "caUrls")
        identityProviders = try Self.services(document, "oidcUrls")
        tlogs = try Self.services(document, "rekorTlogUrls")
        timestampAuthorities = try Self.services(document, "tsaUrls")
        tlogSelector = try Self.selector(document.optional("rekorTlogConfig"))
        timestampSelector = try Self.selector(document.optional("tsaConfig"))
    }

    private static func services(_ document: JSONField, _ name: String) throws(SigstoreError) -> [Service] {
        var services: [Service] = []
        for field in try document.optional(name)?.elements(atMost: 64) ?? [] {
            services.append(
                Service(
                    url: try field.required("url").string(),
                    majorApiVersion: Int(try field.optional("majorApiVersion")?.count() ?? 0),
                    validity: try ValidityWindow(field), operatorName: try field.optional("operator")?.string() ?? ""))
        }
        return services
    }

    private static func selector(_ field: JSONField?) throws(SigstoreError) -> Selector {
        guard let field else { return .any }
        switch try field.optional("selector")?.string() {
        case "ALL": return .all
        case "ANY": return .any
        case "EXACT":
            let count = try field.required("count")
            guard case 1...64 = try count.count() else { throw count.malformed("not a number of services") }
            return .exact(Int(try count.count()))
        case let other: throw field.malformed("unknown selector \(printable(other ?? "(none)", limit: 40))")
        }
    }
}
