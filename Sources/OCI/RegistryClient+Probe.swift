internal import Curl

extension RegistryClient {
    /// What became of the upload session of a probe.
    public enum PushProbe: Sendable, Equatable {
        /// Opened and cancelled again.
        case cancelled
        /// Opened; this registry does not cancel sessions and lets them expire.
        case left
    }

    /// Whether we may push to a repository, without pushing: opens an upload session (`POST blobs/uploads/`, which needs the
    /// right) and cancels it (`DELETE` of its location). Nothing is stored, and no manifest or tag is touched.
    public func probePush(_ name: String) async throws(OCIError) -> PushProbe {
        let start = RegistryRequest(.uploadStart, .post, path: try path(name, "blobs/uploads/"), scope: push(name))
        let session = try await send(start, accepting: [202])
        guard let location = session.headers["Location"], let location = endpoint.base.resolving(location) else {
            throw .unexpectedAnswer(RegistryAnswer(start.operation, session), "no usable upload Location")
        }
        let cancel = RegistryRequest(
            .uploadCancel, .delete, path: location.path, url: location, scope: push(name))
        // the right to push is proven; a registry that keeps the session, or wants the right to delete for this, is none the worse
        let answer = try? await send(cancel, accepting: [200, 202, 204])
        return answer == nil ? .left : .cancelled
    }
}
