import FoundationEssentials
import Logging
import ServiceLifecycle

/// Writes what others find the lab by, once it listens, and then a fresh token every minute.
struct LabFiles: Service {
    let configuration: LabConfiguration
    let start: LabStart
    let publisher: TrustPublisher
    let issuers: IssuerSite
    let board: FaultBoard
    let ready: Gate<LabEndpoints>
    let logger: Logger

    func run() async throws {
        do {
            let endpoints = try await listening()
            let folder = configuration.directory
            try await publisher.publish()
            try await AtomicFile.write(environment(endpoints), aside: "\(folder)/lab.env")
            try await writeToken(endpoints)
            ready.open(.success(endpoints))
            logger.warning("lab ready: NOT FOR PRODUCTION", metadata: ["lab.folder": "\(folder)"])
            try? await cancelWhenGracefulShutdown {
                while !Task.isCancelled {
                    try await Task.sleep(for: configuration.tokenRotation)
                    try await writeToken(endpoints)
                }
            }
        } catch {
            ready.open(.failure(error))
            throw error
        }
    }

    /// The endpoints, or an error if the lab ends before all ports listen: one that is taken must not leave this waiting.
    private func listening() async throws -> LabEndpoints {
        let early = LabError.notStarted("it ended before all its ports listened")
        return try await withTaskCancellationOrGracefulShutdownHandler {
            try await start.endpoints
        } onCancelOrGracefulShutdown: {
            start.fail(early)
        }
    }

    private func writeToken(_ endpoints: LabEndpoints) async throws {
        let issuer = Issuer(kind: .kubernetes, url: endpoints.issuer, origin: endpoints.oidc)
        let offset = board.clockOffset(of: .oidc) / .seconds(1)
        let token = try issuers.token(
            from: issuer, subject: nil, audience: nil, lifetime: configuration.tokenLifetime,
            now: Date().addingTimeInterval(offset))
        try await AtomicFile.write(token, aside: "\(configuration.directory)/token")
    }

    /// Shell assignments; values are URLs and paths, single-quoted.
    private func environment(_ endpoints: LabEndpoints) -> String {
        let folder = configuration.directory
        let account = configuration.tokenSubject.split(separator: ":")
        let identity =
            account.count == 4
            ? "https://kubernetes.io/namespaces/\(account[2])/serviceaccounts/\(account[3])"
            : configuration.tokenSubject
        return [
            ("OIDC_URL", endpoints.oidc), ("OIDC_ISSUER", endpoints.issuer), ("FULCIO_URL", endpoints.fulcio),
            ("REKOR_URL", endpoints.rekor), ("REKOR2_URL", endpoints.rekor2), ("TSA_URL", endpoints.tsa),
            ("CT_URL", endpoints.ctLog), ("TRUSTED_ROOT", "\(folder)/trusted_root.json"),
            ("SIGNING_CONFIG", "\(folder)/signing_config.json"),
            ("CLIENT_TRUST_CONFIG", "\(folder)/client_trust_config.json"), ("TUF_URL", endpoints.tuf),
            ("TUF_ROOT", "\(folder)/tuf/1.root.json"),
            ("WITNESS_KEYS", publisher.parts.witnesses.map(\.verifierKey).joined(separator: " ")),
            ("TOKEN_FILE", "\(folder)/token"),
            ("CERT_IDENTITY", identity), ("CERT_ISSUER", endpoints.issuer),
        ].map { "\($0)='\($1.replacing("'", with: "'\\''"))'\n" }.joined()
    }
}
