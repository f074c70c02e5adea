package import Logging

extension TrustKeeper {
    /// The keeper of the configured source. A lab's root is refused in production, now and at every rotation.
    package convenience init(
        _ configuration: Configuration, metrics: TrustMetrics = TrustMetrics(MetricsRegistry()), logger: Logger
    ) async throws(TrustError) {
        try await self.init(
            TrustFile(trustedRoot: configuration.sigstore.trustedRoot),
            allowsLab: configuration.environment == .development, metrics: metrics, logger: logger)
    }
}
