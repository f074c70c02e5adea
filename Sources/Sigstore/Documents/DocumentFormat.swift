/// The kinds of documents that are attested, by the names that cosign's `--type` gives them where it has one.
public enum DocumentFormat: String, Sendable, CaseIterable {
    /// SPDX 2.0 to 2.3 as tag-value text (`syft -o spdx`); the predicate is the text, a JSON string.
    case spdxTagValue = "spdx"
    /// SPDX 2.2 or 2.3 JSON, or SPDX 3 JSON-LD.
    case spdxJSON = "spdxjson"
    /// CycloneDX JSON 1.2 to 1.7, bill of materials or VEX.
    case cycloneDX = "cyclonedx"
    /// OpenVEX 0.0.1 to 0.2.0.
    case openVEX = "openvex"
    /// CSAF 2.0 or 2.1, profile 5 (`csaf_vex`).
    case csafVEX = "csaf"
    /// SLSA provenance v0.2.
    case provenance02 = "slsaprovenance02"
    /// SLSA provenance v1.
    case provenance1 = "slsaprovenance1"
    /// cosign's vulnerability scan record.
    case vulnerabilityScan = "vuln"
    /// in-toto test result v0.1.
    case testResult = "test-result"
    /// in-toto link v1.
    case link
    /// Any JSON object, under a predicate type of the sender's own.
    case object
    /// Any text, wrapped as cosign does: `{"Data": …, "Timestamp": …}`.
    case custom

    /// As a person would call it.
    public var title: String {
        switch self {
        case .spdxTagValue: "SPDX tag-value"
        case .spdxJSON: "SPDX JSON"
        case .cycloneDX: "CycloneDX JSON"
        case .openVEX: "OpenVEX"
        case .csafVEX: "CSAF VEX"
        case .provenance02: "SLSA provenance v0.2"
        case .provenance1: "SLSA provenance v1"
        case .vulnerabilityScan: "a cosign vulnerability record"
        case .testResult: "an in-toto test result"
        case .link: "an in-toto link"
        case .object: "a JSON predicate"
        case .custom: "text"
        }
    }

    /// The media type under which such a document is stored as an artifact of its own.
    public var mediaType: String {
        switch self {
        case .spdxTagValue: "text/spdx"
        case .spdxJSON: "application/spdx+json"
        case .cycloneDX: "application/vnd.cyclonedx+json"
        case .openVEX: "application/vnd.openvex+json"
        case .csafVEX: "application/csaf+json"
        case .provenance02, .provenance1, .vulnerabilityScan, .testResult, .link, .object: "application/json"
        case .custom: "text/plain"
        }
    }

    /// Whether a document says what is known *now*, so that a newer one takes its place.
    /// - Parameter facts: what ``check(_:)`` found: a CycloneDX document may be a bill of materials as well.
    public func isVEX(_ facts: String) -> Bool {
        self == .openVEX || self == .csafVEX || self == .cycloneDX && facts.hasSuffix(" VEX")
    }

    /// The largest document, in bytes.
    public static let maxBytes = 64 << 20
    /// Deepest nesting; the statement around it adds one level, and is read with the limit of 32.
    static let maxDepth = 30

    /// Checks that the bytes are such a document, whole and readable in only one way.
    /// - Returns: what it is, with its version: `SPDX 2.3`.
    public func check(_ bytes: [UInt8]) throws(DocumentError) -> String {
        guard bytes.count <= Self.maxBytes else {
            throw DocumentError(
                title, at: "", "\(bytes.count) bytes, at most \(Self.maxBytes) are taken", fix: "split the document")
        }
        switch self {
        case .spdxTagValue: return try TagValueDocument.check(bytes)
        case .custom:
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw DocumentError(title, at: "", "it is not UTF-8", fix: "send text, or JSON under a type of its own")
            }
            return "text"
        default: break
        }
        let root = try DocumentObject(root: bytes, format: self)
        try root.refuseStatement()
        switch self {
        case .spdxJSON: return try root.checkSPDX()
        case .cycloneDX: return try root.checkCycloneDX()
        case .openVEX: return try root.checkOpenVEX()
        case .csafVEX: return try root.checkCSAF()
        case .provenance02: return try root.checkProvenance02()
        case .provenance1: return try root.checkProvenance1()
        case .vulnerabilityScan: return try root.checkVulnerabilityScan()
        case .testResult: return try root.checkTestResult()
        case .link: return try root.checkLink()
        case .object, .spdxTagValue, .custom: return "JSON"
        }
    }
}
