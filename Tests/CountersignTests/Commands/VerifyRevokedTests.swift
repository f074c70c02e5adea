import FoundationEssentials
import OCI
import Postgres
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// `verify --config` asks the daemon's database whether somebody revoked what the registry still serves: the program itself.
@Suite(
    .enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"),
    .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct VerifyRevokedTests {
    /// The configuration of a daemon on this line.
    private func configuration(_ line: SigningLine, database: String) async throws -> String {
        let upstream = "private_network: true, plain_http: true, proxy: none"
        let issuer = try await line.lab.endpoints.issuer(.kubernetes)
        try line.folder.write(String(decoding: try await line.lab.trustedRootJSON, as: UTF8.self), to: "root.json")
        try line.folder.write(database, to: "database_url")
        return try line.folder.write(
            """
            environment: development
            database:
              url: {file: "\(line.folder.path)/database_url"}
            sigstore:
              trusted_root: "\(line.folder.path)/root.json"
              fulcio: {url: "\(line.fulcio.url)", \(upstream)}
              timestamp_authority: {url: "\(line.tsa.url)/api/v1/timestamp", \(upstream)}
              rekor: {url: "\(line.rekor.url)", \(upstream)}
              identity:
                token: {file: "\(line.tokenFile)"}
                subject_alternative_name: \(SigningLine.Setup().subject)
                issuer: \(issuer)
            registries:
              - {name: \(SigningLine.registryName), url: "\(line.registry.url)", \(upstream)}
            """, to: "countersign.yaml")
    }

    /// What was printed, and `exit N` as the last line.
    private func verify(_ line: SigningLine, _ digest: Digest, config: String) async throws -> [String] {
        let program = try #require(CountersignProgram.path)
        return try await ChildProcess([
            "/bin/sh", "-c", "\"$@\"; echo \"exit $?\"", "sh", program, "verify", "--config", config,
            "--certificate-identity", SigningLine.Setup().subject, "--certificate-oidc-issuer",
            try await line.lab.endpoints.issuer(.kubernetes), "\(line.repository)@\(digest)",
        ]).finish().split(separator: "\n").map(String.init)
    }

    @Test func `what was revoked does not verify, what was released does, and a database that is away is told`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        let port = try await PostgresCluster.shared().port
        let name = line.database.configuration.database ?? ""
        let config = try await configuration(
            line, database: "postgresql://postgres@127.0.0.1:\(port)/\(name)?sslmode=disable")
        let signed = try await verify(line, digest, config: config)
        #expect(signed.last == "exit 0", "\(signed)")

        let revocations = Revocations(queue: line.database.queue)
        let request = Revocations.Request(
            repository: line.repository, digest: digest, reason: "it has a hole",
            principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
        _ = try await revocations.revoke(request, removing: false)
        let revoked = try await verify(line, digest, config: config)
        #expect(revoked.last == "exit 1", "\(revoked)")
        #expect(revoked.contains { $0.contains("REVOKED") && $0.hasSuffix("by operator: it has a hole") }, "\(revoked)")

        #expect(try await revocations.release(request))
        let released = try await verify(line, digest, config: config)
        #expect(released.last == "exit 0", "\(released)")

        let away = try await configuration(
            line, database: "postgresql://postgres@127.0.0.1:1/\(name)?sslmode=disable")
        let untold = try await verify(line, digest, config: away)
        #expect(untold.last == "exit 3", "\(untold)")
        #expect(
            untold.contains {
                $0.contains("whether it was revoked cannot be asked") && $0.hasSuffix("[postgres.unavailable]")
            },
            "\(untold)")
    }
}
