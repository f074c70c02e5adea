import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import Sigstore

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Look into a transparency log, or into the daemon's own record of its entries.",
        discussion: """
            A log is asked itself: --rekor-url URL, or the one that the trust material names (--log chooses). With --api the
            daemon is asked for the entries that it made, live and put aside. With trust material what is shown is verified.
            --ca-file, --plain-http and --private-network hold for whichever is dialled.
            """,
        subcommands: [
            LogGetCommand.self, LogSearchCommand.self, LogInfoCommand.self, LogVerifyCommand.self,
        ])
}

/// Where a command looks: a log, or the daemon.
struct LogSourceOptions: ParsableArguments {
    @Option(help: "A log's URL, such as https://rekor.sigstore.dev.") var rekorUrl: String?
    @Option(help: "The API it speaks, \(RekorAPI.versions). Default: it is asked.") var rekorVersion: Int?
    @Option(help: "Which log of the trust material, by name or URL. Default: the first.") var log: String?
    @Option(help: "The daemon's API (or COUNTERSIGN_API, where no log and no trust material is named).")
    var api: String?
    @Option(help: "File with an API token (or COUNTERSIGN_TOKEN_FILE; the token itself only as COUNTERSIGN_TOKEN).")
    var tokenFile: String?
    @OptionGroup var trust: TrustOptions
    @Flag(help: "Certificates need no certificate transparency timestamp: for instances without such a log.")
    var insecureIgnoreSct = false
    @OptionGroup var registry: RegistryOptions

    enum Source {
        case daemon(APIClient)
        case log(LogSite)
    }

    func validate() throws {
        if let rekorVersion, (try? RekorAPI(version: rekorVersion)) == nil {
            throw ValidationError("--rekor-version is \(RekorAPI.versions).")
        }
        if api != nil, rekorUrl != nil { throw ValidationError("Ask one: --api, or --rekor-url.") }
    }

    /// Whether the daemon is meant rather than a log.
    var asksDaemon: Bool {
        if api != nil { return true }
        return rekorUrl == nil && !trust.isGiven && ProcessInfo.processInfo.environment["COUNTERSIGN_API"] != nil
    }

    /// The trust material, if some is named. What it once said of a log is good enough to look at old entries.
    func trusted() async throws -> Trust? {
        guard trust.isGiven else { return nil }
        let read = try await trust.read(acceptsExpired: true).trust
        return read.demanding(read.verifier.demands.waiving(untransparentCertificates: insecureIgnoreSct))
    }

    func daemon() throws -> APIClient {
        try APIOptions.client(api: api, tokenFile: tokenFile, caFile: registry.caFile)
    }

    func source(_ trust: Trust?, http: HTTPClient) async throws -> Source {
        asksDaemon ? .daemon(try daemon()) : .log(try await site(trust, http: http))
    }

    /// The log that is meant.
    func site(_ trust: Trust?, http: HTTPClient) async throws -> LogSite {
        if let rekorUrl {
            let upstream = upstream(rekorUrl)
            let api: RekorAPI
            if let rekorVersion {
                api = try RekorAPI(version: rekorVersion)
            } else {
                api = try await LogSite.api(of: upstream, http: http)
            }
            return LogSite(.init(name: rekorUrl, api: api, upstream: upstream), trusting: trust?.verifier, http: http)
        }
        guard let trust else {
            throw CommandFailure(
                code: "log.none_named", observed: "no log is named",
                fix: "--rekor-url URL, or trust material that names one, or --api URL for the daemon's own entries",
                status: 2)
        }
        return LogSite(try await chosen(of: trust, http: http), trusting: trust.verifier, http: http)
    }

    /// The logs that signatures are looked up in: the one that is named, else each of the trust material as its entries name it.
    func sites(_ trust: Trust, http: HTTPClient) async throws -> LogSites {
        guard rekorUrl == nil, log == nil else {
            return try await LogSites(only: site(trust, http: http), verifier: trust.verifier)
        }
        return LogSites(trust.verifier, in: try trustedLogs(trust), http: http)
    }

    /// The logs of the trusted root, with what the configuration knows of each.
    func trustedLogs(_ trust: Trust) throws -> TrustedLogs {
        guard let path = self.trust.config else { return TrustedLogs(trust.trustedRoot, others: upstream("")) }
        let sigstore = try ConfigurationOption.load(path).sigstore
        return TrustedLogs(
            trust.trustedRoot, named: sigstore.knownLogs(trust.signingConfig), others: sigstore.upstreams,
            witnessed: { sigstore.witnessed($0) })
    }

    /// The log that `--log` names: one that gets new entries, or another of the trusted root; without it the first of them.
    private func chosen(of material: Trust, http: HTTPClient) async throws -> InstanceServices.Log {
        let sigstore = try trust.config.map { try ConfigurationOption.load($0).sigstore }
        let current = try currentLogs(material, sigstore)
        if let found = current.first(where: { log == nil || $0.name == log || $0.upstream.url == log }) { return found }
        let trusted = material.trustedRoot.tlogs.map(\.baseURL).filter { !$0.isEmpty }
        guard let url = trusted.first(where: { log == nil || $0 == log }) else {
            let known = (current.map(\.upstream.url) + trusted).reduce(into: [String]()) { known, url in
                if !known.contains(url) { known.append(url) }
            }
            throw CommandFailure(
                code: "log.none_named", observed: "\(material.origin) names no log \(log.map { "\"\($0)\"" } ?? "")",
                fix: known.isEmpty ? "name one: --rekor-url URL" : "its logs: \(known.joined(separator: ", "))",
                status: 2)
        }
        var upstream = sigstore?.upstreams ?? upstream(url)
        upstream.url = url
        let found = InstanceServices.Log(
            name: url, api: try await LogSite.api(of: upstream, http: http), upstream: upstream)
        return sigstore?.witnessed(found) ?? found
    }

    /// The logs that the configuration or the signing configuration has for new entries.
    private func currentLogs(_ material: Trust, _ sigstore: SigstoreConfiguration?) throws -> [InstanceServices.Log] {
        if let sigstore { return try sigstore.services(material.signingConfig, at: Date()).logs }
        let services = try material.signingConfig?.logs(at: Date()) ?? []
        return try services.map { service in
            .init(
                name: service.url, api: try RekorAPI(version: service.majorApiVersion), upstream: upstream(service.url))
        }
    }

    private func upstream(_ url: String) -> UpstreamConfiguration {
        var upstream = UpstreamConfiguration(url: url)
        (upstream.caFile, upstream.plainHTTP, upstream.privateNetwork) = (
            registry.caFile, registry.plainHttp, registry.privateNetwork
        )
        return upstream
    }
}

/// Which entry.
struct LogEntryOptions: ParsableArguments {
    @Option(help: "The entry's index in the log, over all its trees.") var index: Int64?
    @Option(help: "Its uuid: 80 hex digits, or the 64 of the leaf's hash. Rekor v1 only.") var uuid: String?

    func validate() throws {
        guard (index == nil) != (uuid == nil) else { throw ValidationError("Say which entry: --index N or --uuid U.") }
        if let index, index < 0 { throw ValidationError("--index counts from 0.") }
        if let uuid, ![64, 80].contains(uuid.utf8.count) || !uuid.allSatisfy(\.isHexDigit) {
            throw ValidationError("--uuid is 64 or 80 hex digits.")
        }
    }

    func entry(of log: LogSite) async throws -> TlogEntry {
        if let index { return try await log.entry(index: index) }
        return try await log.entry(uuid: uuid ?? "")
    }

    /// The same question to the daemon.
    var query: [(String, String)] {
        index.map { [("index", String($0))] } ?? [("uuid", uuid ?? "")]
    }
}
