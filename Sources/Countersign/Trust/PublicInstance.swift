package import Curl
package import TUF

/// An instance that the Sigstore project runs for everybody. What its TUF repository says is found from a root that is built
/// in, so that nothing has to be fetched by another way first.
package enum PublicInstance: String, CaseIterable, Sendable {
    /// The one that cosign and others use unless they are told.
    case publicGood = "public-good"
    /// For trials: what it logs may be lost, and proves nothing to anybody else.
    case staging

    /// The URL of its TUF repository.
    var url: String {
        switch self {
        case .publicGood: "https://tuf-repo-cdn.sigstore.dev"
        case .staging: "https://tuf-repo-cdn.sigstage.dev"
        }
    }

    /// The root that trust in it begins with.
    var root: [UInt8] {
        switch self {
        case .publicGood: Array(Self.publicGoodRoot.utf8)
        case .staging: Array(Self.stagingRoot.utf8)
        }
    }

    /// Its trust material.
    /// - Parameter cache: as for ``TUFConfiguration/repository(http:cache:)``.
    package func repository(http: HTTPClient, cache: (_ repository: String) -> any TUFCache) -> TrustRepository {
        TUFConfiguration(root: rawValue, site: UpstreamConfiguration(url: url))
            .repository(from: root, http: http, cache: cache)
    }
}
