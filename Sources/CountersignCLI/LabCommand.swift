import ArgumentParser
import FoundationEssentials
import Logging
import ServiceLifecycle
import SigstoreLab
import UnixSignals

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab", abstract: "Run a whole Sigstore in one process: OIDC issuer, Fulcio, CT log, Rekor, TSA.",
        discussion: """
            NOT FOR PRODUCTION: for trials, tests and offline work. Keys and logs stay in the folder, so that a restart
            continues them; trusted_root.json, signing_config.json and a token that is renewed every minute are written there.
            """)

    @Option(help: "Folder for keys, logs, trust root and token.") var directory: String
    @Option(help: "Address to listen on.") var listen = "127.0.0.1"
    @Option(help: "Port of the OIDC issuer; 0 takes a free one.") var oidcPort = 0
    @Option(help: "Port of Fulcio and the CT log; 0 takes a free one.") var fulcioPort = 0
    @Option(help: "Port of Rekor; 0 takes a free one.") var rekorPort = 0
    @Option(help: "Port of the timestamp authority; 0 takes a free one.") var tsaPort = 0
    @Option(help: "Latency by service, such as fulcio=5ms,rekor=160ms,tsa=1ms.") var latency: String?
    @Option(help: "Subject of the token that is written.") var tokenSubject = "system:serviceaccount:ci:signer"

    func run() async throws {
        var configuration = LabConfiguration(directory: directory)
        configuration.host = listen
        configuration.ports = .init(oidc: oidcPort, fulcio: fulcioPort, rekor: rekorPort, tsa: tsaPort)
        configuration.tokenSubject = tokenSubject
        if let latency { configuration.latency = try LabConfiguration.latency(parsing: latency) }
        let logger = Logger(label: "countersign.lab")
        let lab = try await Lab(configuration, logger: logger)
        try await ServiceGroup(
            services: [lab], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }
}
