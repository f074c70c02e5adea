import ArgumentParser
import FoundationEssentials
import Logging
import ServiceLifecycle
import SigstoreLab
import UnixSignals

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Run a whole Sigstore in one process: OIDC issuers, Fulcio, CT log, Rekor v1 and v2, TSA.",
        discussion: """
            NOT FOR PRODUCTION: for trials, tests and offline work. Keys and logs stay in the folder, so that a restart
            continues them; trusted_root.json, signing_config.json, both in client_trust_config.json, and a token that is
            renewed every minute are written there.
            """)

    @Option(help: "Folder for keys, logs, trust root and token.") var directory: String
    @Option(help: "Address to listen on.") var listen = "127.0.0.1"
    @Option(help: "Port of the OIDC issuer; 0 takes a free one.") var oidcPort = 0
    @Option(help: "Port of Fulcio and the CT log; 0 takes a free one.") var fulcioPort = 0
    @Option(help: "Port of Rekor v1; 0 takes a free one.") var rekorPort = 0
    @Option(help: "Port of Rekor v2; 0 takes a free one.") var rekor2Port = 0
    @Option(help: "Port of the timestamp authority; 0 takes a free one.") var tsaPort = 0
    @Option(help: "Port of the TUF repository; 0 takes a free one.") var tufPort = 0
    @Option(help: "Logs that the signing config names: v1, v2, any (one of both) or both (each).") var rekor = "v1"
    @Option(help: "Seconds between the checkpoints of Rekor v2.") var checkpointInterval = 1.0
    @Option(help: "Witnesses that cosign the checkpoints of Rekor v2.") var witnesses = 0
    @Option(help: "Curve of the timestamp authority's key, when it is made: p384 or p256.") var timestampCurve = "p384"
    @Option(help: "Latency by service, such as fulcio=5ms,rekor=160ms,tsa=1ms.") var latency: String?
    @Option(help: "Subject of the token that is written.") var tokenSubject = "system:serviceaccount:ci:signer"

    func run() async throws {
        var configuration = LabConfiguration(directory: directory)
        configuration.host = listen
        configuration.ports = .init(
            oidc: oidcPort, fulcio: fulcioPort, rekor: rekorPort, rekor2: rekor2Port, tsa: tsaPort,
            tuf: tufPort)
        guard let logs = LogChoice(rawValue: rekor) else {
            throw ValidationError("--rekor is one of \(LogChoice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard let curve = LabConfiguration.TimestampCurve(rawValue: timestampCurve) else {
            throw ValidationError("--timestamp-curve is p256 or p384")
        }
        guard (0...3600).contains(checkpointInterval), (0...16).contains(witnesses) else {
            throw ValidationError("--checkpoint-interval is at most an hour, --witnesses at most 16")
        }
        configuration.logs = logs
        configuration.checkpointInterval = .seconds(checkpointInterval)
        configuration.witnesses = witnesses
        configuration.timestampCurve = curve
        configuration.tokenSubject = tokenSubject
        if let latency { configuration.latency = try LabConfiguration.latency(parsing: latency) }
        let logger = Logger(label: "countersign.lab")
        let lab = try await Lab(configuration, logger: logger)
        try await ServiceGroup(
            services: [lab], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }
}
