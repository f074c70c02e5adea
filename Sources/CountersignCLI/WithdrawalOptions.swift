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

    /// The withdrawal in force; nil if there is none, the daemon does not know the artifact, or none is to be asked.
    /// - Throws: ``CommandFailure`` when the daemon cannot be asked: that is not "not revoked".
    func revocation(of digest: Digest, in repository: Repository) async throws -> VerifyReference.Revocation? {
        guard let api else { return nil }
        let client = try APIOptions.client(api: api, tokenFile: tokenFile, caFile: apiCaFile)
        let status: ArtifactStatus
        do {
            status = try await client.get("/v1/artifacts", query: [("ref", "\(repository)@\(digest)")])
        } catch let failure as CommandFailure where failure.code == "artifact.unknown" {
            return nil
        }
        guard let revocation = status.revocation, revocation.releasedAt == nil else { return nil }
        return .init(reason: revocation.reason, revokedBy: revocation.revokedBy, revokedAt: revocation.revokedAt)
    }
}
