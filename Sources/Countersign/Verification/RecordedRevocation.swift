import FoundationEssentials

extension VerifyReference.Revocation {
    /// As the records have it; the time as the API writes it.
    package init(_ recorded: ArtifactHistory.Revocation) {
        self.init(
            reason: recorded.reason, revokedBy: recorded.revokedBy,
            revokedAt: recorded.revokedAt.apiText)
    }
}
