internal import Curl
internal import OpenSSL

/// An upload session under way: bytes go in, in pieces.
public struct BlobUpload: Sendable {
    fileprivate let name: String
    fileprivate var location: RemoteURL
    fileprivate var offset = 0
    fileprivate var pending: [UInt8] = []
    /// The least bytes of a piece but the last; a registry may ask for more.
    fileprivate var pieceBytes: Int
}

extension RegistryClient {
    /// Bytes of one `PATCH`.
    private static let pieceBytes = 4 << 20

    /// Whether the repository has a blob; false only if the registry says that it does not.
    public func hasBlob(_ name: String, _ digest: Digest) async throws(OCIError) -> Bool {
        let request = RegistryRequest(
            .blobGet, .head, path: try path(name, "blobs/\(digest)"), scope: pull(name), followsRedirects: true)
        return try await send(request, accepting: [200, 404]).status == 200
    }

    /// Opens an upload session for a blob that is sent in pieces (specification, "Pushing a blob in chunks").
    public func beginUpload(_ name: String) async throws(OCIError) -> BlobUpload {
        let start = RegistryRequest(.uploadStart, .post, path: try path(name, "blobs/uploads/"), scope: push(name))
        let session = try await send(start, accepting: [202])
        let least = session.headers["OCI-Chunk-Min-Length"].flatMap { Int($0) } ?? 0
        return BlobUpload(
            name: name, location: try location(session, start), pieceBytes: min(max(least, Self.pieceBytes), 32 << 20))
    }

    /// Sends the next bytes; they are gathered into pieces.
    public func append(_ bytes: [UInt8], to upload: inout BlobUpload) async throws(OCIError) {
        upload.pending += bytes
        if upload.pending.count >= upload.pieceBytes { try await sendPiece(&upload) }
    }

    private func sendPiece(_ upload: inout BlobUpload) async throws(OCIError) {
        guard !upload.pending.isEmpty else { return }
        let end = upload.offset + upload.pending.count
        let request = RegistryRequest(
            .uploadPut, .patch, path: upload.location.path, url: upload.location, scope: push(upload.name),
            headers: [
                "Content-Type": "application/octet-stream", "Content-Range": "\(upload.offset)-\(end - 1)",
            ], body: upload.pending)
        let answer = try await send(request, accepting: [202, 204])
        upload.location = try location(answer, request)
        upload.offset = end
        upload.pending = []
    }

    /// Sends the rest and closes the session: the registry hashes what it got and compares.
    public func finish(_ upload: consuming BlobUpload, as digest: Digest) async throws(OCIError) {
        try await sendPiece(&upload)
        guard let target = RemoteURL(upload.location.adding("digest", "\(digest)")) else {
            throw .referenceMalformed(upload.location.path, "upload Location is too long")
        }
        let close = RegistryRequest(
            .uploadPut, .put, path: upload.location.path, url: target, scope: push(upload.name),
            headers: ["Content-Type": "application/octet-stream"], body: [])
        _ = try await send(close, accepting: [201, 204])
    }

    /// Reads a blob in pieces and hashes it; nothing of it is kept. A registry that knows no ranges sends it whole.
    /// - Throws: `digestMismatch` when it is not what its digest says, `notFound`.
    public func verifyBlob(_ name: String, _ digest: Digest, size: Int) async throws(OCIError) {
        var hash = SHA256Stream()
        var offset = 0
        while offset < size {
            let end = min(offset + Self.pieceBytes, size)
            let request = RegistryRequest(
                .blobGet, .get, path: try path(name, "blobs/\(digest)"), scope: pull(name),
                headers: ["Range": "bytes=\(offset)-\(end - 1)"],
                responseLimit: (offset == 0 ? size : end - offset) + 64 << 10, followsRedirects: true)
            let answer = try await send(request, accepting: [200, 206])
            let isWhole = answer.status == 200
            guard isWhole ? offset == 0 : answer.body.count <= end - offset else {
                throw .unexpectedAnswer(RegistryAnswer(request.operation, answer), "\(answer.body.count) bytes")
            }
            hash.update(answer.body)
            // what is shorter or longer than it should be has another digest; a part may be shorter than was asked for
            if isWhole || answer.body.isEmpty { break }
            offset += answer.body.count
        }
        let actual = "sha256:\(Hex.encode(hash.finish()))"
        guard actual == digest.description else {
            throw .digestMismatch(expected: digest, actual: try Digest(actual))
        }
    }

    private func location(
        _ answer: HTTPResponse, _ request: RegistryRequest
    ) throws(OCIError) -> RemoteURL {
        guard let text = answer.headers["Location"], let location = endpoint.base.resolving(text) else {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, answer), "no usable upload Location")
        }
        return location
    }

    /// Attaches a document whose blob is there already: manifest by digest, and the fallback index where needed.
    /// - Returns: the manifest's digest.
    public func attach(_ referrer: DocumentReferrer, to name: String) async throws(OCIError) -> Digest {
        try await pushEmptyBlob(name)
        let pushed = try await pushManifest(
            name, bytes: referrer.manifest, mediaType: MediaType.ociManifest, reference: .digest)
        if let listed = try await listedByAPI(name, referrer.subject.digest),
            listed.contains(where: { $0.digest == pushed.digest })
        {
            return pushed.digest
        }
        try await addToFallbackIndex(name, subject: referrer.subject.digest, entry: referrer.descriptor)
        return pushed.digest
    }
}
