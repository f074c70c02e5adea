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
    /// What was printed, and `exit N` as the last line.
    private func verify(
        _ line: SigningLine, _ digest: Digest, in repository: String? = nil, config: String, _ more: [String] = []
    ) async throws -> [String] {
        let program = try #require(CountersignProgram.path)
        return try await ChildProcess(
            [
                "/bin/sh", "-c", "\"$@\"; echo \"exit $?\"", "sh", program, "verify", "--config", config,
                "--certificate-identity", SigningLine.Setup().subject, "--certificate-oidc-issuer",
                try await line.lab.endpoints.issuer(.kubernetes), "\(repository ?? "\(line.repository)")@\(digest)",
            ] + more
        ).finish().split(separator: "\n").map(String.init)
    }

    private static func database(_ line: SigningLine) async throws -> String {
        let port = try await PostgresCluster.shared().port
        let name = line.database.configuration.database ?? ""
        return "postgresql://postgres@127.0.0.1:\(port)/\(name)?sslmode=disable"
    }

    private static func request(_ line: SigningLine, _ digest: Digest) -> Revocations.Request {
        .init(
            repository: line.repository, digest: digest, reason: "it has a hole",
            principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
    }

    @Test func `what was revoked does not verify, what was released does, and a database that is away is told`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        let config = try await line.configuration(database: Self.database(line))
        let signed = try await verify(line, digest, config: config)
        #expect(signed.last == "exit 0", "\(signed)")
        // a pipe gives its bytes once, and several parts of the command ask for the configuration
        let piped = try await CountersignProgram.run(
            script: #"""
                file="$1"; shift; "$0" verify --config <(cat "$file") "$@"; status=$?; echo; echo "$status"
                """#,
            [
                config, "--certificate-identity", SigningLine.Setup().subject, "--certificate-oidc-issuer",
                try await line.lab.endpoints.issuer(.kubernetes), "\(line.repository)@\(digest)",
            ])
        #expect(piped.status == 0, "\(piped)")

        let revocations = Revocations(queue: line.database.queue)
        let request = Self.request(line, digest)
        _ = try await revocations.revoke(request, removing: false)
        let revoked = try await verify(line, digest, config: config)
        #expect(revoked.last == "exit 1", "\(revoked)")
        #expect(revoked.contains { $0.contains("REVOKED") && $0.hasSuffix("by operator: it has a hole") }, "\(revoked)")

        #expect(try await revocations.release(request))
        let released = try await verify(line, digest, config: config)
        #expect(released.last == "exit 0", "\(released)")

        let away = try await line.configuration(
            database: "postgresql://postgres@127.0.0.1:1/countersign?sslmode=disable")
        let untold = try await verify(line, digest, config: away)
        #expect(untold.last == "exit 3", "\(untold)")
        #expect(
            untold.contains {
                $0.contains("whether it was revoked cannot be asked") && $0.hasSuffix("[postgres.unavailable]")
            },
            "\(untold)")
    }

    @Test func `a revocation is found by whatever name of its registry`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        _ = try await Revocations(queue: line.database.queue).revoke(Self.request(line, digest), removing: false)
        let host = String(line.registry.url.dropFirst("http://".count))
        let there = "\(host)/\(line.repository.name)"
        let dial = ["--plain-http", "--private-network"]
        func isRevoked(aliases: [String], _ more: [String] = []) async throws -> Bool {
            let config = try await line.configuration(database: Self.database(line), aliases: aliases)
            let said = try await verify(line, digest, in: there, config: config, dial + more)
            #expect(said.last == "exit 1", "\(said)")
            return said.contains { $0.contains("REVOKED") }
        }
        #expect(try await isRevoked(aliases: [host]))
        // the port that its scheme implies, of an image whose own place is no registry of the configuration
        let implied = ["--repository", "\(SigningLine.registryName):80/\(line.repository.name)"]
        #expect(try await isRevoked(aliases: [], implied))
        #expect(try await !isRevoked(aliases: []))
    }
}
