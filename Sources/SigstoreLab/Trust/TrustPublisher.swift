import FoundationEssentials

/// Writes what clients trust and find the lab by, whenever something of it changed: into the folder and, as targets,
/// into the TUF repository.
struct TrustPublisher: Sendable {
    let parts: LabParts
    let configuration: LabConfiguration
    let start: LabStart

    func material(_ endpoints: LabEndpoints) -> TrustMaterial {
        TrustMaterial(parts: parts, endpoints: endpoints, choice: configuration.logs)
    }

    /// Publishes the material as it is now.
    func publish() async throws {
        let material = material(try await start.endpoints)
        try await write(material.trustedRoot, "trusted_root.json")
        try await write(material.signingConfig, "signing_config.json")
        try await write(material.clientTrustConfig, "client_trust_config.json")
        // names of the targets as Sigstore's own repository has them
        try await parts.repository.publish([
            "trusted_root.json": try canonicalJSON(material.trustedRoot),
            "signing_config.v0.2.json": try canonicalJSON(material.signingConfig),
        ])
    }

    private func write(_ document: some Encodable, _ name: String) async throws {
        let json = String(decoding: try canonicalJSON(document), as: UTF8.self)
        try await AtomicFile.write(json, aside: "\(configuration.directory)/\(name)")
    }
}
