import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import Sigstore

/// The demo: one of each kind of artifact, pushed, waited for, verified, and told in one table.
struct Samples: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Push a single image, an index, an artifact and an image with three tags; print what became of each.")

    @Option(help: "Registry, host:port.") var registry: String
    @Option(help: "The daemon's API.") var api: String
    @Option(help: "File with an API token.") var tokenFile: String?
    @Option(help: "trusted_root.json to verify against.") var trustedRoot: String
    @Option(help: "Expected SAN of the certificates.") var certificateIdentity: String
    @Option(help: "Expected OIDC issuer of the certificates.") var certificateOidcIssuer: String
    @Option(help: "Seconds to wait for the signatures.") var timeout = 30

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign-push/1")
        defer { http.shutdown() }
        let pusher = try ImagePusher(registry: registry, http: http)
        let pushed = [
            try await pusher.pushImage("demo/app", tags: ["1.0"]),
            try await pusher.pushIndex("demo/multi-arch", tag: "1.0"),
            try await pusher.pushArtifact("demo/artifact", tag: "1.0"),
            try await pusher.pushImage("demo/three-tags", tags: ["1", "1.2", "1.2.3"]),
        ]
        let status = StatusPoller(api: api, token: try tokenFile.map(readToken), http: http)
        let outcomes = try await status.outcomes(of: pushed, within: .seconds(timeout))
        let verification = VerifyReference(
            registry: pusher.registry,
            verifier: Verifier(root: try TrustedRoot(json: [UInt8](Data(contentsOf: URL(filePath: trustedRoot))))),
            identity: try CertificateIdentity(
                subjectAlternativeName: .exact(certificateIdentity), issuer: .exact(certificateOidcIssuer)))

        var rows = [["reference", "digest", "state", "identity", "log index", "push→signed ms", "verified"]]
        var good = true
        for one in pushed {
            let outcome = outcomes.first { $0.key == "\(one.repository)@\(one.digest)" }
            let verified = await judge(one, verification)
            good = good && verified == "yes" && outcome?.state == "signed"
            rows.append([
                one.reference, one.digest.description.prefix(19) + "…", outcome?.state ?? "unknown",
                outcome?.identity ?? outcome?.error ?? "-",
                outcome?.logIndex.map(String.init) ?? "-",
                outcome?.verifiedAt.map { ($0.timeIntervalSince(one.acceptedAt) * 1000).fixed(0) } ?? "-", verified,
            ])
        }
        print(table(rows))
        if !good { throw ExitCode(1) }
    }

    private func judge(_ one: ImagePusher.Pushed, _ verification: VerifyReference) async -> String {
        do {
            let report = try await verification.verify(Reference("\(registry)/\(one.repository)@\(one.digest)"))
            return report.isVerified ? "yes" : "no"
        } catch {
            return "no: \(error)"
        }
    }
}

/// Columns as wide as their widest cell.
func table(_ rows: [[String]]) -> String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            .joined(separator: "  ")
    }.joined(separator: "\n")
}
