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
    /// The TUF roles that vouch for them; empty for files.
    package let roles: [TrustRole]

    package init(
        verifier: Verifier, signingConfig: SigningConfig? = nil, origin: String, readAt: Date = Date(),
        roles: [TrustRole] = []
    ) {
        self.verifier = verifier
        self.signingConfig = signingConfig
        self.origin = origin
        self.readAt = readAt
        self.roles = roles
    }

    /// Reads documents; whether they may be used is another question.
    /// - Parameter demands: of every signature that is verified with them.
    package init(
        _ documents: TrustDocuments, origin: String, demanding demands: Verifier.Demands = .standard
    ) throws(TrustError) {
        do throws(SigstoreError) {
            let config: SigningConfig? =
                if let bytes = documents.signingConfig { try SigningConfig(json: bytes) } else { nil }
            self.init(
                verifier: Verifier(root: try TrustedRoot(json: documents.trustedRoot), demanding: demands),
                signingConfig: config, origin: origin, roles: documents.roles)
        } catch {
            throw .unreadable(origin: origin, error.observed)
        }
    }

    /// The same, verified with other demands.
    package func demanding(_ demands: Verifier.Demands) -> Self {
        Self(
            verifier: Verifier(root: verifier.root, demanding: demands), signingConfig: signingConfig, origin: origin,
            readAt: readAt, roles: roles)
    }

    /// The anchors.
    package var trustedRoot: TrustedRoot { verifier.root }

    /// The role whose word ends first: after it nothing new is signed. nil for files, which never expire.
    package var firstToExpire: TrustRole? { roles.min { $0.expires < $1.expires } }

    /// The role whose word has ended first; nil while all vouch. Verifying offline goes on with what was kept, and says so.
    package func expiry(at now: Date = Date()) -> TrustExpiry? {
        firstToExpire.flatMap { $0.expires <= now ? TrustExpiry(origin: origin, $0) : nil }
    }
}

/// A TUF role as it was verified.
package struct TrustRole: Sendable, Equatable {
    package let name: String
    package let version: Int64
    package let expires: Date
    /// How many of ``keyIDs`` must sign.
    package let threshold: Int
    package let keyIDs: [String]

    package init(name: String, version: Int64, expires: Date, threshold: Int, keyIDs: [String]) {
        self.name = name
        self.version = version
        self.expires = expires
        self.threshold = threshold
        self.keyIDs = keyIDs
    }
}

/// Kept metadata that nobody vouches for any more: there may be a newer one, with keys revoked.
package struct TrustExpiry: Sendable, Equatable, Encodable {
    /// Where the material came from.
    package let origin: String
    /// The TUF role that ended first.
    package let role: String
    package let expiredAt: Date

    package init(origin: String, _ role: TrustRole) {
        self.origin = origin
        self.role = role.name
        expiredAt = role.expires
    }

    /// What people are told.
    package var warning: String {
        "warning: the trust material of \(origin) is out of date: its role \(role) expired at "
            + "\(expiredAt.formatted(.iso8601)). Keys that were revoked since still count here; "
            + "`countersign trust update`, or --online, reads it anew"
    }
}

/// The documents as a source holds them, not yet read.
package struct TrustDocuments: Sendable {
    /// `trusted_root.json`, version 0.1 or 0.2.
    package var trustedRoot: [UInt8]
    /// `signing_config.v0.2.json`, if the source has one.
    package var signingConfig: [UInt8]?
    /// Who vouches for them, if a TUF repository does.
    package var roles: [TrustRole]

    package init(trustedRoot: [UInt8], signingConfig: [UInt8]? = nil, roles: [TrustRole] = []) {
        self.trustedRoot = trustedRoot
        self.signingConfig = signingConfig
        self.roles = roles
    }

    func saysTheSame(as other: TrustDocuments) -> Bool {
        trustedRoot == other.trustedRoot && signingConfig == other.signingConfig
    }
}

/// Where trust material comes from: files, a one-file client configuration, a TUF repository.
package protocol TrustSource: Sendable {
    /// The source in words, as operators know it.
    var origin: String { get }
    /// How often to look for a rotation.
    var interval: Duration { get }
    /// Reads the documents as they are now.
    func documents() async throws(TrustError) -> TrustDocuments
    /// What was trusted before and still is, for a start while the source is away; nil if nothing is kept.
    func keptDocuments() async throws(TrustError) -> TrustDocuments?
}

extension TrustSource {
    package func keptDocuments() async throws(TrustError) -> TrustDocuments? { nil }
}
