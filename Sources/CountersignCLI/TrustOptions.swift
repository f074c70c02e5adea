import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Sigstore
import TUF

/// Where a command takes its trust material from: one source.
struct TrustOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The daemon's configuration file: what it says under sigstore.")
    var config: String?
    @Option(help: "trusted_root.json of the instance.") var trustedRoot: String?
    @Option(help: "signing_config.v0.2.json of the instance, with --trusted-root.") var signingConfig: String?
    @Option(help: "client_trust_config.json of the instance: both in one file.") var clientTrustConfig: String?
    @Option(help: "URL of the instance's TUF repository: the folder of timestamp.json.") var tufUrl: String?
    @Option(help: "Its pinned root.json, from a source that you trust.") var tufRoot: String?
    @Option(help: "URL of its targets, if not `targets` below the URL.") var tufTargetsUrl: String?
    @Option(help: "Folder where its metadata is kept. Default: countersign/tuf in the user's cache.")
    var tufCache: String?
    @Option(help: "PEM certificates that its certificate must chain to.") var tufCaFile: String?
    @Flag(help: "It is on a private network.") var tufPrivateNetwork = false
    @Flag(help: "It is reached without TLS; what it says is verified all the same.") var tufPlainHttp = false

    /// Whether a source is named. Commands that also do something without trust material ask first.
    var isGiven: Bool { sources == 1 }

    private var sources: Int { [config, trustedRoot, clientTrustConfig, tufUrl].compactMap(\.self).count }

    func validate() throws {
        guard sources <= 1 else { throw Self.notOne }
        if signingConfig != nil, trustedRoot == nil {
            throw ValidationError("--signing-config goes with --trusted-root.")
        }
        if (tufUrl == nil) != (tufRoot == nil) {
            throw ValidationError("--tuf-url and --tuf-root go together: without a pinned root anybody's would do.")
        }
    }

    private static let notOne = ValidationError(
        "Say whom to trust, in one way: --config, --trusted-root, --client-trust-config or --tuf-url.")

    /// Reads and checks the material. What it is verified with demands what the daemon's configuration demands, if one is
    /// named.
    /// - Parameters:
    ///   - isOffline: whether a TUF repository is not asked, and only what was kept is looked at.
    ///   - acceptsExpired: whether what was kept may be past its time: to look at it, or to verify; never to sign.
    func read(
        isOffline: Bool = false, acceptsExpired: Bool = false
    ) async throws -> (trust: Trust, documents: TrustDocuments) {
        guard isGiven else { throw Self.notOne }
        let sigstore = try config.map { try ConfigurationOption.load($0).sigstore }
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let documents: TrustDocuments
        let origin: String
        if case .tuf(let tuf) = try sourceConfiguration(sigstore) {
            let repository = try tuf.repository(http: http) { name in TUFCacheDirectory(folder(for: name)) }
            origin = repository.origin
            documents =
                isOffline
                ? try await repository.keptDocuments(acceptsExpired: acceptsExpired)
                : try await repository.documents()
        } else {
            let source = try sourceConfiguration(sigstore).source(http: http) { _ in TUFMemoryCache() }
            origin = source.origin
            documents = try await source.documents()
        }
        return (try Trust(documents, origin: origin, demanding: sigstore?.demands ?? .standard), documents)
    }

    /// The same to verify with. Offline what was kept will do, also if it expired since: then standard error says so.
    func verifying(isOnline: Bool) async throws -> Trust {
        let trust = try await read(isOffline: !isOnline, acceptsExpired: !isOnline).trust
        if let expiry = trust.expiry() { Console.error(expiry.warning) }
        return trust
    }

    private func sourceConfiguration(_ sigstore: SigstoreConfiguration?) throws -> TrustConfiguration {
        if let sigstore { return sigstore.trust }
        if let clientTrustConfig { return .clientTrustConfig(clientTrustConfig) }
        if let tufUrl, let tufRoot {
            var site = UpstreamConfiguration(url: tufUrl)
            (site.caFile, site.privateNetwork, site.plainHTTP) = (tufCaFile, tufPrivateNetwork, tufPlainHttp)
            var tuf = TUFConfiguration(root: tufRoot, site: site)
            tuf.targetsURL = tufTargetsUrl
            return .tuf(tuf)
        }
        return .files(trustedRoot: trustedRoot ?? "", signingConfig: signingConfig)
    }

    /// One folder for each repository and pinned root.
    private func folder(for repository: String) -> String {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["XDG_CACHE_HOME"] ?? "\(environment["HOME"] ?? ".")/.cache"
        let name = repository.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") ? $0 : "_" }
        return "\(tufCache ?? "\(home)/countersign/tuf")/\(String(name))"
    }
}
