import FoundationEssentials

/// Trust material in files that somebody else replaces: a mounted secret, a configuration management, a cron job.
///
/// Read whole at each look: a few kilobytes, and no watch that a rename or a mount could slip past.
package struct TrustFile: TrustSource {
    private let trustedRoot: String
    private let signingConfig: String?
    package let interval: Duration

    /// - Parameters:
    ///   - trustedRoot: path of `trusted_root.json`.
    ///   - signingConfig: path of `signing_config.v0.2.json`, if the services come from it.
    package init(trustedRoot: String, signingConfig: String? = nil, interval: Duration = .seconds(10)) {
        self.trustedRoot = trustedRoot
        self.signingConfig = signingConfig
        self.interval = interval
    }

    package var origin: String { trustedRoot }

    package func documents() async throws(TrustError) -> TrustDocuments {
        TrustDocuments(
            trustedRoot: try Self.bytes(of: trustedRoot), signingConfig: try Self.bytes(ofOptional: signingConfig))
    }

    private static func bytes(ofOptional path: String?) throws(TrustError) -> [UInt8]? {
        if let path { try bytes(of: path) } else { nil }
    }

    static func bytes(of path: String) throws(TrustError) -> [UInt8] {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw .unreadable(origin: path, "cannot be read")
        }
        return [UInt8](bytes)
    }
}
