import ArgumentParser
import Countersign
import OCI

/// The daemon that is asked whether somebody withdrew the artifact. A signature stays valid when its artifact is withdrawn;
/// only who withdrew it knows.
struct WithdrawalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Ask this daemon's API, too: what was revoked there does not verify.", valueName: "url"))
    var api: String?
    @Option(help: "File with an API token (or COUNTERSIGN_TOKEN_FILE; the token itself only as COUNTERSIGN_TOKEN).")
    var tokenFile: String?
    @Option(help: "PEM certificates that the API's certificate must chain to.") var apiCaFile: String?

    /// The withdrawal in force, in any of the repositories whose approval would count; nil if there is none, or no daemon is
    /// to be asked.
    /// - Parameter digests: of one manifest, the one that was verified first.
    /// - Throws: ``CommandFailure`` when the daemon cannot be asked, and when something verified of which it has never heard:
    ///   neither is "not revoked".
    func revocation(
        of digests: [Digest], in repositories: [Repository], isSigned: Bool
    ) async throws -> VerifyReference.Revocation? {
        guard let api else { return nil }
        var isKnown = false
        for (repository, digest) in repositories.flatMap({ repository in digests.map { (repository, $0) } }) {
            guard let status = try await status(of: digest, in: repository, api) else { continue }
            isKnown = true
            guard let revocation = status.revocation, revocation.releasedAt == nil else { continue }
            return .init(
                reason: revocation.reason, revokedBy: revocation.revokedBy, revokedAt: revocation.revokedAt)
        }
        guard isKnown || !isSigned else {
            throw CommandFailure(
                code: "verify.unknown_to_daemon",
                observed: "the daemon at \(api) knows no \(digests[0]) in these repositories",
                fix: "Ask the daemon that signed it; whether it was revoked is not known elsewhere.")
        }
        return nil
    }

    /// nil: the daemon does not know it.
    private func status(of digest: Digest, in repository: Repository, _ api: String) async throws -> ArtifactStatus? {
        let client = try APIOptions.client(api: api, tokenFile: tokenFile, caFile: apiCaFile)
        do {
            return try await client.get("/v1/artifacts", query: [("ref", "\(repository)@\(digest)")])
        } catch let failure as CommandFailure where failure.code == "artifact.unknown" {
            return nil
        }
    }
}
