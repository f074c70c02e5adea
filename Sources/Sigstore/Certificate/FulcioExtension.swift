public import OpenSSL
import StrictJSON

/// One fact that Fulcio wrote into a certificate about the build or workload that asked for it
/// (fulcio/docs/oid-info.md, the arc 1.3.6.1.4.1.57264.1).
public struct FulcioExtension: Sendable, Equatable {
    /// The facts there are, by the name of Fulcio's table.
    public enum Kind: Int, Sendable, CaseIterable {
        /// Superseded by ``issuerV2``; the same text without DER around it.
        case issuer = 1
        case gitHubWorkflowTrigger = 2
        case gitHubWorkflowSHA = 3
        case gitHubWorkflowName = 4
        case gitHubWorkflowRepository = 5
        case gitHubWorkflowRef = 6
        // 7 is no extension: it types a subject alternative name
        case issuerV2 = 8
        case buildSignerURI = 9
        case buildSignerDigest = 10
        case runnerEnvironment = 11
        case sourceRepositoryURI = 12
        case sourceRepositoryDigest = 13
        case sourceRepositoryRef = 14
        case sourceRepositoryIdentifier = 15
        case sourceRepositoryOwnerURI = 16
        case sourceRepositoryOwnerIdentifier = 17
        case buildConfigURI = 18
        case buildConfigDigest = 19
        case buildTrigger = 20
        case runInvocationURI = 21
        case sourceRepositoryVisibilityAtSigning = 22
        case deploymentEnvironment = 23
        case tokenSubject = 24
    }

    /// Which fact.
    public let kind: Kind
    /// What the certificate says.
    public let value: String

    /// The extensions of a certificate that Fulcio defines, in the order of their numbers.
    ///
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if one is not the kind of text that the table demands: raw UTF-8 for the
    ///   numbers up to 6, a DER `UTF8String` from 8 on.
    public static func all(of certificate: Certificate) throws(SigstoreError) -> [FulcioExtension] {
        var found: [FulcioExtension] = []
        for kind in Kind.allCases {
            guard let bytes = certificate.extensionValue(kind.oid) else { continue }
            found.append(FulcioExtension(kind: kind, value: try kind.text(bytes)))
        }
        return found
    }

    /// One extension of Fulcio's arc as it stands in a certificate, whether or not it can be read.
    public struct Reading: Sendable {
        /// Which fact; nil for a number that the table did not have when this was written.
        public let kind: Kind?
        /// Its object identifier.
        public let oid: String
        /// What it says, or why that is not known. Of an unknown number the text of a DER `UTF8String`, else the bytes in
        /// hex.
        public let value: Result<String, SigstoreError>
    }

    /// Everything that a certificate has in Fulcio's arc, each by itself: the table's in the order of their numbers, then
    /// the others in the certificate's. For people: nothing is decided by it.
    public static func readings(of certificate: Certificate) -> [Reading] {
        let known = Kind.allCases.compactMap { kind in
            certificate.extensionValue(kind.oid).map { bytes in
                Reading(
                    kind: kind, oid: kind.oid,
                    value: Result { () throws(SigstoreError) in try kind.text(bytes) })
            }
        }
        let others = certificate.extensionOIDs.filter { oid in
            oid.hasPrefix(Self.arc) && !Kind.allCases.contains { $0.oid == oid }
        }
        return known
            + others.map { oid in
                let bytes = certificate.extensionValue(oid) ?? []
                return Reading(
                    kind: nil, oid: oid, value: .success(Certificate.utf8String(bytes) ?? "0x" + Hex.encode(bytes)))
            }
    }

    /// The arc of Sigstore, in which all numbers of Fulcio's are.
    private static let arc = "1.3.6.1.4.1.57264."
}

extension FulcioExtension.Kind {
    /// The extension's object identifier.
    public var oid: String { "1.3.6.1.4.1.57264.1.\(rawValue)" }

    /// The first six hold their text without DER around it.
    var isRaw: Bool { rawValue <= 6 }

    /// What the extension's bytes say.
    fileprivate func text(_ bytes: [UInt8]) throws(SigstoreError) -> String {
        let text = isRaw ? String(validating: bytes, as: UTF8.self) : Certificate.utf8String(bytes)
        guard let text, text.isStreamSafe else {
            throw .malformed("signing certificate", "the extension \(name) (\(oid)) is not text")
        }
        return text
    }

    /// ``name`` as a key of documents: `source_repository_uri`, `issuer_v2`.
    public var key: String {
        String(name.lowercased().compactMap { $0 == " " ? "_" : "()".contains($0) ? nil : $0 })
    }

    /// Its name in Fulcio's table.
    public var name: String {
        switch self {
        case .issuer: "Issuer"
        case .gitHubWorkflowTrigger: "GitHub Workflow Trigger"
        case .gitHubWorkflowSHA: "GitHub Workflow SHA"
        case .gitHubWorkflowName: "GitHub Workflow Name"
        case .gitHubWorkflowRepository: "GitHub Workflow Repository"
        case .gitHubWorkflowRef: "GitHub Workflow Ref"
        case .issuerV2: "Issuer (V2)"
        case .buildSignerURI: "Build Signer URI"
        case .buildSignerDigest: "Build Signer Digest"
        case .runnerEnvironment: "Runner Environment"
        case .sourceRepositoryURI: "Source Repository URI"
        case .sourceRepositoryDigest: "Source Repository Digest"
        case .sourceRepositoryRef: "Source Repository Ref"
        case .sourceRepositoryIdentifier: "Source Repository Identifier"
        case .sourceRepositoryOwnerURI: "Source Repository Owner URI"
        case .sourceRepositoryOwnerIdentifier: "Source Repository Owner Identifier"
        case .buildConfigURI: "Build Config URI"
        case .buildConfigDigest: "Build Config Digest"
        case .buildTrigger: "Build Trigger"
        case .runInvocationURI: "Run Invocation URI"
        case .sourceRepositoryVisibilityAtSigning: "Source Repository Visibility At Signing"
        case .deploymentEnvironment: "Deployment Environment"
        case .tokenSubject: "Token Subject"
        }
    }
}
