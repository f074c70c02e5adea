import OCI
import Sigstore

/// Figures of the signing side that are taken when somebody asks for them.
struct SigningFigures: Sendable {
    let metrics: ServiceMetrics
    let registries: Registries
    let signers: Signers

    /// Hooks into the scrape.
    func register() {
        metrics.registry.collect {
            [registries, signers, requests = metrics.registryRequests, certificates = metrics.certificatesIssued] in
            for (name, client) in registries.all {
                for (kind, count) in client.requestCounts {
                    requests.advance(name, kind.rawValue, to: Double(count))
                }
            }
            var issued = 0
            for identity in signers.identities { issued += await identity.certificatesIssued }
            certificates.advance(to: Double(issued))
        }
    }
}
