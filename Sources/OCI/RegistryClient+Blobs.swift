internal import Curl

extension RegistryClient {
    /// Fetches a blob; redirects to object stores are followed, without credentials. The bytes are hashed and compared.
    /// - Parameter limit: the most bytes accepted.
    /// - Throws: `notFound`, `tooLarge`, `digestMismatch`.
    public func blob(_ name: String, _ digest: Digest, limit: Int) async throws(OCIError) -> [UInt8] {
        // Room for an error body or a challenge, however small the blob.
        let request = RegistryRequest(
            .blobGet, .get, path: try path(name, "blobs/\(digest)"), scope: pull(name),
            responseLimit: max(limit, 64 << 10), followsRedirects: true)
        let bytes = try await send(request, accepting: [200]).body
        // other bytes come first, however many: a proxy's page says nothing of the blob's size
        guard digest.matches(bytes) else {
            throw .digestMismatch(expected: digest, actual: .computed(digest.algorithm, of: bytes))
        }
        guard bytes.count <= limit else { throw .tooLarge(what: "blob \(digest)", limit: limit, unit: "bytes") }
        return bytes
    }

    /// Pushes a blob in one piece: `POST` opens an upload session, `PUT` sends the bytes and closes it
    /// (specification, "Pushing a blob monolithically", POST then PUT: the form every registry has).
    @discardableResult
    public func pushBlob(_ name: String, _ bytes: [UInt8]) async throws(OCIError) -> Digest {
        let digest = Digest.sha256(of: bytes)
        let start = RegistryRequest(.uploadStart, .post, path: try path(name, "blobs/uploads/"), scope: push(name))
        let session = try await send(start, accepting: [202])
        guard let location = session.headers["Location"], let location = endpoint.base.resolving(location) else {
            throw .unexpectedAnswer(RegistryAnswer(start.operation, session), "no usable upload Location")
        }
        guard let target = RemoteURL(location.adding("digest", "\(digest)")) else {
            throw .unexpectedAnswer(RegistryAnswer(start.operation, session), "upload Location is too long")
        }
        let upload = RegistryRequest(
            .uploadPut, .put, path: location.path, url: target, scope: push(name),
            headers: ["Content-Type": "application/octet-stream"], body: bytes)
        _ = try await send(upload, accepting: [201, 204])
        return digest
    }

    /// Pushes the empty config unless this repository is known to have it.
    func pushEmptyBlob(_ name: String) async throws(OCIError) {
        guard !memory.hasEmptyBlob(name) else { return }
        try await pushBlob(name, BundleReferrer.emptyBlob)
        memory.rememberEmptyBlob(name)
    }
}
