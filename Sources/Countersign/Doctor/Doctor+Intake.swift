extension Doctor {
    /// Each webhook's secret: there, long enough, its own; a rotation that is still open.
    func intakeFindings() -> [DoctorFinding] {
        configuration.endpoints.map { endpoint in
            DoctorFinding("webhook \(endpoint.name)", secretSeen(endpoint))
        }
    }

    private func secretSeen(_ endpoint: EndpointConfiguration) -> DoctorFinding.Seen {
        guard let secret = endpoint.secrets.first else {
            return .bad("no secret", code: "intake.secret", fix: "give the endpoint a secret")
        }
        let length = secret.exposed.utf8.count
        let text = "for \(endpoint.registry), Authorization of \(length) bytes"
        let others = configuration.endpoints.filter { $0.name != endpoint.name }
        if others.contains(where: { $0.secrets.contains(secret) }) {
            return .doubtful(
                text + ", shared with another endpoint: each sender can speak for both",
                fix: "give each endpoint a secret of its own")
        }
        // "Bearer " and 128 bits in base64 or hex
        if length < 29 {
            return .doubtful(text + ", which can be guessed sooner than it should", fix: "use 16 random bytes or more")
        }
        if endpoint.secrets.count > 1 {
            return .doubtful(
                text + "; the previous secret is accepted too",
                fix: "remove previous_secret once the sender has the new one")
        }
        if !endpoint.trustHost {
            return .doubtful(
                text + "; trust_host is false: its events speak for \(endpoint.registry) whatever host they name",
                fix: "set trust_host: true unless a proxy rewrites the host")
        }
        return .good(text)
    }
}
