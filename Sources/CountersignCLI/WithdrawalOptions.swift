import ArgumentParser
import Countersign
import OCI
import Postgres

/// Who is asked whether somebody withdrew the artifact. A signature stays valid when its artifact is withdrawn; only who
/// withdrew it knows: a daemon, and its database.
struct WithdrawalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Ask this daemon's API, too: what was revoked there does not verify.", valueName: "url"))
    var api: String?
    @Option(help: "File with an API token (or COUNTERSIGN_TOKEN_FILE; the token itself only as COUNTERSIGN_TOKEN).")
    var tokenFile: String?
    @Option(help: "PEM certificates that the API's certificate must chain to.") var apiCaFile: String?

    /// The withdrawal in force, in any of the repositories whose approval would count; nil if there is none, or nobody is to
    /// be asked.
    /// - Parameters:
    ///   - digests: of one manifest, the one that was verified first.
    ///   - configuration: the daemon's, if one was named: its database is asked. It need not know the artifact, which others
    ///     may have signed: it has every withdrawal, also of what was never pushed.
    /// - Throws: ``CommandFailure`` when database or daemon cannot be asked, and when something verified of which the daemon
    ///   has never heard: none of it is "not revoked".
    func revocation(
        of digests: [Digest], in repositories: [Repository], isSigned: Bool, _ configuration: Configuration?
    ) async throws -> VerifyReference.Revocation? {
        if let configuration,
            let revocation = try await Self.recorded(of: digests, in: repositories, configuration)
        {
            return revocation
        }
        guard let api else { return nil }
        let client = try APIOptions.client(api: api, tokenFile: tokenFile, caFile: apiCaFile)
        var isKnown = false
        for (repository, digest) in repositories.flatMap({ repository in digests.map { (repository, $0) } }) {
            guard let status = try await status(of: digest, in: repository, client) else { continue }
            isKnown = true
            guard let revocation = status.revocation, revocation.releasedAt == nil else { continue }
            return .init(
                reason: revocation.reason, revokedBy: revocation.revokedBy, revokedAt: revocation.revokedAt.apiText)
        }
        guard isKnown || !isSigned else {
            throw CommandFailure(
                code: "verify.unknown_to_daemon",
                observed: "the daemon at \(api) knows no \(digests[0]) in these repositories",
                fix: "Ask the daemon that signed it; whether it was revoked is not known elsewhere.")
        }
        return nil
    }

    /// What the daemon's database says, within the time that its configuration gives a connect and a statement.
    private static func recorded(
        of digests: [Digest], in repositories: [Repository], _ configuration: Configuration
    ) async throws -> VerifyReference.Revocation? {
        let database = configuration.database
        let pool = ConnectionPool(
            try database.connection(applicationName: "countersign verify"), size: 1, waitLimit: database.connectTimeout)
        do throws(QueueError) {
            let found = try await ArtifactRecords(pool: pool).revocation(
                of: digests, in: repositories.map(configuration.registries.canonical))
            await pool.close()
            return found.map { VerifyReference.Revocation($0) }
        } catch {
            await pool.close()
            throw CommandFailure(
                code: error.code, observed: "whether it was revoked cannot be asked: \(error)",
                fix: "Verify where the daemon's database can be reached; with --trusted-root it is not asked.")
        }
    }

    /// nil: the daemon does not know it.
    private func status(
        of digest: Digest, in repository: Repository, _ client: APIClient
    ) async throws -> ArtifactAnswer? {
        do {
            return try await client.get("/v1/artifacts", query: [("ref", "\(repository)@\(digest)")])
        } catch let failure as CommandFailure where failure.code == "artifact.unknown" {
            return nil
        }
    }
}
