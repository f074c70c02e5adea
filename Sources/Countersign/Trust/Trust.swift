package import FoundationEssentials
package import Sigstore

/// Everything trust material says at one moment. Rotations replace the whole value, never a part of it.
package struct Trust: Sendable {
    /// Verifies against the anchors; its caches live as long as they do.
    package let verifier: Verifier
    /// The services of the instance; nil where the configuration names them itself.
    package let signingConfig: SigningConfig?
    /// Where the documents came from, in words.
    package let origin: String
    /// When they were read.
    package let readAt: Date

    package init(verifier: Verifier, signingConfig: SigningConfig? = nil, origin: String, readAt: Date = Date()) {
        self.verifier = verifier
        self.signingConfig = signingConfig
        self.origin = origin
        self.readAt = readAt
    }

    /// The anchors.
    package var trustedRoot: TrustedRoot { verifier.root }
}

/// The documents as a source holds them, not yet believed.
package struct TrustDocuments: Sendable, Equatable {
    /// `trusted_root.json`, version 0.1 or 0.2.
    package var trustedRoot: [UInt8]
    /// `signing_config.v0.2.json`, if the source has one.
    package var signingConfig: [UInt8]?

    package init(trustedRoot: [UInt8], signingConfig: [UInt8]? = nil) {
        self.trustedRoot = trustedRoot
        self.signingConfig = signingConfig
    }
}

/// Where trust material comes from: a file, a one-file client configuration, a TUF repository.
package protocol TrustSource: Sendable {
    /// The source in words, as operators know it.
    var origin: String { get }
    /// How often to look for a rotation.
    var interval: Duration { get }
    /// Reads the documents as they are now.
    func documents() async throws(TrustError) -> TrustDocuments
}
