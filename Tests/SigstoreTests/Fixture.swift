import FoundationEssentials
import OpenSSL
import Support
import Testing

@testable import Sigstore

/// The files beside the tests.
enum Fixture {
    static func bytes(_ name: String) throws -> [UInt8] {
        try file("\(packageRoot)/Tests/SigstoreTests/Fixtures/recorded/\(name)")
    }

    static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    static func file(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw Missing(path: path) }
        return Array(data)
    }

    struct Missing: Error { let path: String }

    static let digest = "sha256:a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9"

    static func artifact() throws -> ArtifactDigest { try ArtifactDigest(digest) }

    static func root() throws -> TrustedRoot { try TrustedRoot(json: bytes("trusted_root.json")) }

    static func bundle(_ scenario: String = "rekor1-tsa") throws -> UnverifiedBundle {
        try UnverifiedBundle(json: bytes("\(scenario)/bundle.sigstore.json"))
    }

    static func envelope(_ scenario: String = "rekor1-tsa") throws -> Envelope {
        guard case .envelope(let envelope) = try bundle(scenario).content else {
            throw Missing(path: "\(scenario): an envelope")
        }
        return envelope
    }

    static func identity(
        _ name: String = "https://kubernetes.io/namespaces/ci/serviceaccounts/signer",
        issuer: String = "http://127.0.0.1:47050/k8s"
    ) throws -> CertificateIdentity {
        try CertificateIdentity(subjectAlternativeName: .exact(name), issuer: .exact(issuer))
    }

    /// An unsigned compact token of these claims.
    static func token(_ claims: String, header: String = #"{"alg":"RS256"}"#) -> String {
        func part(_ text: String) -> String {
            Base64.encode(Array(text.utf8)).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        return "\(part(header)).\(part(claims)).c2lnbmF0dXJl"
    }
}
