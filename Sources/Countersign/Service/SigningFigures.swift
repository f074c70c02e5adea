import OCI
import Sigstore

/// Figures of the signing side that are taken when somebody asks for them.
struct SigningFigures: Sendable {
    let metrics: ServiceMetrics
    let registries: Registries
    let window: CertificateWindow

    /// Hooks into the scrape.
    func register() {
        metrics.registry.collect {
            for (name, client) in registries.all {
                for (kind, count) in client.requestCounts {
                    metrics.registryRequests.advance(name, kind.rawValue, to: Double(count))
                }
            }
            metrics.certificatesIssued.advance(to: Double(await window.issuedCount))
        }
    }
}
