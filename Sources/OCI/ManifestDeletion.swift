public import Curl

/// The right to delete manifests of one registry: a credential of its own, which is shown with `DELETE` and nothing else.
///
/// A ``RegistryClient`` has no way to delete. So which credential a deletion carries is a matter of the type, and whoever
/// holds none of these deletes nothing.
public struct ManifestDeletion: Sendable {
    private let client: RegistryClient

    /// - Parameter endpoint: the registry, with the credential that may delete there.
    public init(_ endpoint: RegistryEndpoint, http: HTTPClient) {
        client = RegistryClient(endpoint, http: http)
    }

    /// Deletes a manifest by its digest (specification, "Deleting Manifests"). Its blobs are left to the registry's own
    /// garbage collection. The caller knows that the manifest is ours, and holds the lease of its subject.
    /// - Parameter name: the repository's name on this registry.
    /// - Returns: false when the registry answers that it has no such manifest (any more).
    /// - Throws: ``OCIError/deletionUnsupported(_:)``, ``OCIError/deletionRefused(_:)``, and what every request throws.
    public func delete(_ name: String, _ digest: Digest) async throws(OCIError) -> Bool {
        do {
            try await client.deleteManifest(name, digest)
            return true
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return false  // a proxy's 404 page says nothing of the manifest
        }
    }
}

extension RegistryClient {
    fileprivate func deleteManifest(_ name: String, _ digest: Digest) async throws(OCIError) {
        let request = RegistryRequest(
            .manifestDelete, .delete, path: try path(name, "manifests/\(digest)"),
            scope: TokenScope(repository: name, access: .delete))
        do { _ = try await send(request, accepting: [200, 202, 204]) } catch {
            switch error {
            case .refused(let answer) where answer.saysUnsupported,
                .unavailable(let answer) where answer.saysUnsupported:
                throw .deletionUnsupported(answer)
            case .unauthorized(let answer), .forbidden(let answer): throw .deletionRefused(answer)
            default: throw error
            }
        }
    }
}

extension RegistryAnswer {
    /// 405, 501, or the specification's code for what a registry does not do at all.
    fileprivate var saysUnsupported: Bool { status == 405 || status == 501 || codes.contains("UNSUPPORTED") }
}
