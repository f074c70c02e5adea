import FoundationEssentials
import OpenSSL
import Support
import Testing

@testable import Sigstore

/// The verification cases of sigstore-conformance, run directly against ``Verifier``.
@Suite(
    .enabled(
        if: sharedMaterial("conformance/bundle-verify") != nil,
        "the cases of sigstore-conformance are not here (../shared)")) struct ConformanceTests
{
    static let cases: [String] = {
        guard let folder = sharedMaterial("conformance/bundle-verify"),
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return [] }
        return names.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/bundle.sigstore.json") }.sorted()
    }()

    /// A folder whose name ends in `_fail` is to be refused.
    @Test(arguments: cases)
    func `each case is judged as the suite says`(name: String) throws {
        let suite = try #require(sharedMaterial("conformance"))
        let verdict = Result { try judge("\(suite)/bundle-verify/\(name)", suite) }
        switch verdict {
        case .success: #expect(!name.hasSuffix("_fail"), "accepted")
        case .failure(let error):
            #expect(name.hasSuffix("_fail"), "refused: \(error)")
        }
    }

    private func judge(_ folder: String, _ suite: String) throws {
        func text(_ file: String, _ fallback: String) -> String {
            guard let bytes = try? Fixture.file("\(folder)/\(file)") else { return fallback }
            return String(decoding: bytes, as: UTF8.self).trimmed
        }
        let artifact = try (try? Fixture.file("\(folder)/artifact")) ?? Fixture.file("\(suite)/bundle-verify/a.txt")
        let root =
            try (try? Fixture.file("\(folder)/trusted_root.json")) ?? Fixture.file("\(suite)/trust/production.json")
        let signer: Verifier.ExpectedSigner
        if let pem = try? Fixture.file("\(folder)/key.pub") {
            signer = .publicKey(try PublicKey(pem: String(decoding: pem, as: UTF8.self)))
        } else {
            signer = .certificate(
                try CertificateIdentity(
                    subjectAlternativeName: .exact(text("identity", Self.identity)),
                    issuer: .exact(text("issuer", "https://token.actions.githubusercontent.com"))))
        }
        _ = try Verifier(root: TrustedRoot(json: root)).verify(
            UnverifiedBundle(json: Fixture.file("\(folder)/bundle.sigstore.json")),
            artifact: ArtifactDigest(algorithm: "sha256", hex: Hex.encode(Hash.sha256(artifact))), by: signer)
    }

    private static let identity =
        "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
        + "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
}

extension String {
    fileprivate var trimmed: String { String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()) }
}
