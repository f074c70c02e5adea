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
    @Option(
        help:
            "public-good or staging: an instance of the Sigstore project, by its TUF repository from the root that is built in."
    )
    var instance: PublicInstance?
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

    private var sources: Int {
        [config, trustedRoot, clientTrustConfig, tufUrl, instance?.rawValue].compactMap(\.self).count
    }

    func validate() throws {
        guard sources <= 1 else {
            throw ValidationError("Say whom to trust in one way, not in several: \(Self.ways).")
        }
        if signingConfig != nil, trustedRoot == nil {
            throw ValidationError("--signing-config goes with --trusted-root.")
        }
        if (tufUrl == nil) != (tufRoot == nil) {
            throw ValidationError("--tuf-url and --tuf-root go together: without a pinned root anybody's would do.")
        }
    }

    /// The ways to say whom to trust.
    static let ways = "--config, --trusted-root, --client-trust-config, --tuf-url or --instance"

    /// Reads and checks the material; that of the public good instance if no source is named. What it is verified with demands what the daemon's configuration demands, if one is
    /// named.
    /// - Parameters:
    ///   - isOffline: whether a TUF repository is not asked, and only what was kept is looked at.
    ///   - acceptsExpired: whether what was kept may be past its time: to look at it, or to verify; never to sign.
    func read(
        isOffline: Bool = false, acceptsExpired: Bool = false
    ) async throws -> (trust: Trust, documents: TrustDocuments) {
        let sigstore = try config.map { try ConfigurationOption.load($0).sigstore }
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let documents: TrustDocuments
        let origin: String
        if let repository = try repository(sigstore, http: http) {
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

    /// The TUF repository, if the material comes from one.
    private func repository(
        _ sigstore: SigstoreConfiguration?, http: HTTPClient
    ) throws(TrustError) -> TrustRepository? {
        func cache(_ name: String) -> any TUFCache { TUFCacheDirectory(ofUserFor: name, in: tufCache) }
        if let instance = instance ?? (isGiven ? nil : .publicGood) {
            return instance.repository(http: http, cache: cache)
        }
        guard case .tuf(let tuf) = sourceConfiguration(sigstore) else { return nil }
        return try tuf.repository(http: http, cache: cache)
    }

    private func sourceConfiguration(_ sigstore: SigstoreConfiguration?) -> TrustConfiguration {
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
}

extension PublicInstance: ExpressibleByArgument {}

extension TUFCacheDirectory {
    /// What this user keeps of a repository: one folder for each repository and pinned root.
    /// - Parameter folder: of all of them; nil: countersign/tuf in the user's cache.
    init(ofUserFor repository: String, in folder: String? = nil) {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["XDG_CACHE_HOME"] ?? "\(environment["HOME"] ?? ".")/.cache"
        let name = repository.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") ? $0 : "_" }
        self.init("\(folder ?? "\(home)/countersign/tuf")/\(String(name))")
    }
}
