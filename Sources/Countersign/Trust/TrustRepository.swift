import FoundationEssentials
import Sigstore
package import TUF

/// Trust material as a TUF repository distributes it.
package struct TrustRepository: TrustSource {
    private let client: TUFClient
    private let trustedRoot: String
    private let signingConfig: String
    package let origin: String
    package let interval: Duration

    /// - Parameters:
    ///   - trustedRoot: the target with the trusted root.
    ///   - signingConfig: the target with the signing configuration; it need not exist.
    ///   - origin: the repository's URL.
    package init(
        _ client: TUFClient, trustedRoot: String, signingConfig: String, origin: String, interval: Duration
    ) {
        self.client = client
        self.trustedRoot = trustedRoot
        self.signingConfig = signingConfig
        self.origin = origin
        self.interval = interval
    }

    package func documents() async throws(TrustError) -> TrustDocuments {
        do throws(TUFError) { return try await documents(try await client.update()) } catch {
            throw .repository(origin: origin, error)
        }
    }

    /// Out of the cache, and only what has not expired: with older metadata nothing new may be signed.
    package func keptDocuments() async throws(TrustError) -> TrustDocuments? {
        try await keptDocuments(acceptsExpired: false)
    }

    /// - Parameter acceptsExpired: to look at what is old, or to verify with it; never to sign.
    package func keptDocuments(acceptsExpired: Bool) async throws(TrustError) -> TrustDocuments {
        do throws(TUFError) {
            return try await documents(try await client.cached(acceptsExpired: acceptsExpired))
        } catch {
            throw .repository(origin: origin, error)
        }
    }

    private func documents(_ session: TUFSession) async throws(TUFError) -> TrustDocuments {
        var documents = TrustDocuments(
            trustedRoot: try await session.target(trustedRoot), roles: session.trusted.roles)
        do throws(TUFError) {
            documents.signingConfig = try await session.target(signingConfig)
        } catch {
            // older instances have none; any other fault must not look like that
            guard case .noTarget = error else { throw error }
        }
        return documents
    }
}

extension TrustedMetadata {
    /// The four top-level roles.
    fileprivate var roles: [TrustRole] {
        func role(_ name: String, _ version: Int64?, _ expires: Date?, _ keys: RoleKeys) -> TrustRole? {
            guard let version, let expires else { return nil }
            return TrustRole(
                name: name, version: version, expires: expires, threshold: keys.threshold, keyIDs: keys.keyIDs)
        }
        return [
            role("root", root.version, root.expires, root.root),
            role("timestamp", timestamp?.version, timestamp?.expires, root.timestamp),
            role("snapshot", snapshot?.version, snapshot?.expires, root.snapshot),
            role("targets", targets?.version, targets?.expires, root.targets),
        ].compactMap(\.self)
    }
}
