import Sigstore

/// Trust material in files that somebody else replaces: a mounted secret, a configuration management, a cron job.
///
/// Read whole at each look: a few kilobytes, and no watch that a rename or a mount could slip past.
package struct TrustFiles: TrustSource {
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
        var documents = TrustDocuments(trustedRoot: try TrustFile.bytes(trustedRoot))
        if let signingConfig { documents.signingConfig = try TrustFile.bytes(signingConfig) }
        return documents
    }
}

/// Trust material in one file, `ClientTrustConfig`.
package struct ClientTrustFile: TrustSource {
    private let path: String
    package let interval: Duration

    package init(_ path: String, interval: Duration = .seconds(10)) {
        self.path = path
        self.interval = interval
    }

    package var origin: String { path }

    package func documents() async throws(TrustError) -> TrustDocuments {
        let bytes = try TrustFile.bytes(path)
        do throws(SigstoreError) {
            let both = try ClientTrustConfig(json: bytes)
            return TrustDocuments(trustedRoot: both.trustedRootJSON, signingConfig: both.signingConfigJSON)
        } catch {
            throw .unreadable(origin: path, error.observed)
        }
    }
}

enum TrustFile {
    /// Of a trusted root, a signing configuration, or a pinned root: they have some kilobytes.
    private static let limit = 16 << 20

    static func bytes(_ path: String) throws(TrustError) -> [UInt8] {
        do throws(BundleFileError) {
            return try NamedFile(path: path).contents(atMost: limit)
        } catch {
            throw .unreadable(origin: path, "cannot be read: \(error.why)")
        }
    }
}
