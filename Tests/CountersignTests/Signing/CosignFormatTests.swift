import Foundation
import OCI
import OpenSSL
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// The real cosign judges every combination that the line publishes.
@Suite(
    .enabled(
        if: SigningLine.isPossible && CosignProgram.path != nil,
        "docker-registry or cosign is not here (scripts/clients)"))
struct CosignFormatTests {
    struct Combination: Sendable, CustomTestStringConvertible {
        let formats: [SignatureFormat]
        let isTimestamped: Bool
        var testDescription: String { formats.map(\.rawValue).joined(separator: "+") + (isTimestamped ? ", TSA" : "") }
    }

    static let combinations = FormatTests.combinations.flatMap { formats in
        [true, false].map { Combination(formats: formats, isTimestamped: $0) }
    }

    @Test(arguments: combinations)
    func `cosign verifies what was published, and nothing else`(_ combination: Combination) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(combination.formats)
        setup.isTimestamped = combination.isTimestamped
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        let flags = try await identity(line, setup) + (combination.isTimestamped ? ["--use-signed-timestamps"] : [])
        try await expect(line, digest, flags, combination.formats)
    }

    @Test(arguments: FormatTests.combinations)
    func `cosign verifies the signature of a key`(_ formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(formats)
        let key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        setup.key = key
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        try line.folder.write(key.publicKey.pem, to: "key.pub")
        try await expect(line, digest, ["--key", line.folder.path + "/key.pub"], formats)
    }

    @Test(arguments: FormatTests.combinations)
    func `cosign finds signatures in another repository`(_ formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(formats)
        setup.signatureRepository = "\(SigningLine.registryName)/\(line.repository.name)-signatures"
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        try await expect(
            line, digest, try await identity(line, setup), formats,
            environment: ["COSIGN_REPOSITORY=\(Self.host(of: line))/\(line.repository.name)-signatures"])
        await #expect(throws: (any Error).self, "not beside the image") {
            try await verify(line, digest, try await identity(line, setup))
        }
    }

    private func identity(_ line: SigningLine, _ setup: SigningLine.Setup) async throws -> [String] {
        let issuer = try await line.lab.endpoints.issuer(.kubernetes)
        return ["--certificate-identity", setup.subject, "--certificate-oidc-issuer", issuer]
    }

    private func expect(
        _ line: SigningLine, _ digest: OCI.Digest, _ flags: [String], _ formats: [SignatureFormat],
        environment: [String] = []
    ) async throws {
        // without a word about the format cosign takes the bundle, else what lies under the tag
        try await verify(line, digest, flags, environment)
        let legacy = flags + ["--new-bundle-format=false"]
        if formats.contains(.legacy) {
            try await verify(line, digest, legacy, environment)
        } else {
            await #expect(throws: (any Error).self) { try await verify(line, digest, legacy, environment) }
        }
    }

    private func verify(
        _ line: SigningLine, _ digest: OCI.Digest, _ flags: [String], _ environment: [String] = []
    ) async throws {
        let root = line.folder.path + "/trusted_root.json"
        try line.folder.write(
            String(decoding: try await line.lab.trustedRootJSON, as: UTF8.self), to: "trusted_root.json")
        let output = try await ChildProcess(
            ["/usr/bin/env", "HOME=\(line.folder.path)"] + environment + [CosignProgram.path ?? "cosign", "verify"]
                + flags
                + [
                    "--trusted-root", root, "--allow-http-registry",
                    "\(Self.host(of: line))/\(line.repository.name)@\(digest)",
                ]
        ).finish()
        #expect(output.contains("\(digest)"))
    }

    private static func host(of line: SigningLine) -> String {
        String(line.pusher.endpoint.url.dropFirst("http://".count))
    }
}

/// The real one, where `scripts/clients` put it.
enum CosignProgram {
    static let path: String? = {
        let path = packageRoot + "/.clients/root/usr/bin/cosign"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()
}
