internal import Curl

/// How a manifest is named when it is pushed.
public enum ManifestName: Sendable, Equatable {
    /// By its own SHA-256 digest, without a tag.
    case digest
    /// By this tag, which then names it.
    case tag(String)
}

/// What a registry said to a pushed manifest.
public struct PushedManifest: Sendable, Equatable {
    /// The digest of the bytes pushed, computed here.
    public let digest: Digest
    /// The `OCI-Subject` field: the registry says that it lists this manifest as a referrer of that subject.
    public let acknowledgedSubject: Digest?
    /// Whether the registry named what it stored (`Docker-Content-Digest`), and it is this digest.
    public let isConfirmed: Bool
}

extension RegistryClient {
    /// Fetches a manifest by digest; the bytes are hashed and compared.
    /// - Parameter name: the repository's name on this registry.
    /// - Throws: `notFound`, `digestMismatch`, `unexpectedAnswer` for what is no JSON, and what `Manifest.init` throws.
    public func manifest(_ name: String, _ digest: Digest) async throws(OCIError) -> Manifest {
        let response = try await manifestAnswer(.manifestGet, name, "\(digest)")
        return try Manifest(bytes: response.body, mediaType: response.headers["Content-Type"], expecting: digest)
    }

    /// What is served as a manifest, and the `Content-Type` that it has: nothing of it was compared or read, not even whether
    /// it is the registry that speaks.
    package func servedManifest(
        _ name: String, _ digest: Digest
    ) async throws(OCIError) -> (bytes: [UInt8], mediaType: String?) {
        let response = try await send(try manifestRequest(.manifestGet, name, "\(digest)"), accepting: [200])
        return (response.body, response.headers["Content-Type"])
    }

    /// Whether the registry serves a manifest; false only if it says itself that it does not.
    public func serves(_ name: String, _ digest: Digest) async throws(OCIError) -> Bool {
        do {
            _ = try await manifest(name, digest)
            return true
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return false
        }
    }

    /// Fetches the manifest a tag names now. Everything after should go by the digest of what this returns.
    public func resolve(_ name: String, tag: String) async throws(OCIError) -> Manifest {
        try Reference.checkTag(tag)
        let response = try await manifestAnswer(.manifestGet, name, tag)
        let manifest = try Manifest(bytes: response.body, mediaType: response.headers["Content-Type"])
        // The field is a claim about these bytes; a registry that contradicts itself is not signed for.
        if let claimed = response.headers["Docker-Content-Digest"], let digest = try? Digest(claimed),
            !digest.matches(response.body)
        {
            throw .digestMismatch(expected: digest, actual: manifest.descriptor.digest)
        }
        return manifest
    }

    /// Pushes a manifest's exact bytes.
    /// - Throws: `blobUnknown` when the registry lacks a blob it names; `digestMismatch` when the registry stored
    ///   something else.
    public func pushManifest(
        _ name: String, bytes: [UInt8], mediaType: String, reference: ManifestName
    ) async throws(OCIError) -> PushedManifest {
        if case .tag(let tag) = reference { try Reference.checkTag(tag) }
        return try await pushManifest(.manifestPut, name, bytes: bytes, mediaType: mediaType, reference: reference)
    }

    /// `ifMatch` makes the write conditional where the registry honours it (RFC 9110 §13.1.1); others ignore it.
    func pushManifest(
        _ kind: RequestKind, _ name: String, bytes: [UInt8], mediaType: String, reference: ManifestName,
        ifMatch: String? = nil
    ) async throws(OCIError) -> PushedManifest {
        let digest = Digest.sha256(of: bytes)
        let last =
            switch reference {
            case .digest: "\(digest)"
            case .tag(let tag): tag
            }
        var headers: HTTPHeaders = ["Content-Type": mediaType]
        if let ifMatch { headers["If-Match"] = ifMatch }
        let request = RegistryRequest(
            kind, .put, path: try path(name, "manifests/\(last)"), scope: push(name), headers: headers, body: bytes)
        let response = try await send(request, accepting: [200, 201])
        let stored = response.headers["Docker-Content-Digest"].flatMap { try? Digest($0) }
        if let stored, !stored.matches(bytes) { throw .digestMismatch(expected: digest, actual: stored) }
        return PushedManifest(
            digest: digest, acknowledgedSubject: response.headers["OCI-Subject"].flatMap { try? Digest($0) },
            isConfirmed: stored != nil)
    }

    /// No registry keeps a manifest that is no JSON: it is the page of a proxy. Under a tag for signatures it would pass for
    /// somebody's other thing, under a digest for an image that is broken.
    func manifestAnswer(_ kind: RequestKind, _ name: String, _ last: String) async throws(OCIError) -> HTTPResponse {
        let request = try manifestRequest(kind, name, last)
        let response = try await send(request, accepting: [200])
        guard Self.beginsAnObject(response.body) else {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "no manifest, and no JSON")
        }
        return response
    }

    private func manifestRequest(
        _ kind: RequestKind, _ name: String, _ last: String
    ) throws(OCIError) -> RegistryRequest {
        RegistryRequest(
            kind, .get, path: try path(name, "manifests/\(last)"), scope: pull(name),
            headers: ["Accept": MediaType.manifestAccept], responseLimit: Manifest.byteLimit)
    }

    private static func beginsAnObject(_ body: [UInt8]) -> Bool {
        body.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
    }

    /// `/v2/<name>/<rest>`, the name checked against the grammar first: it must not be able to leave its path.
    func path(_ name: String, _ rest: String) throws(OCIError) -> String {
        try Repository.checkName(name)
        return "/v2/\(name)/\(rest)"
    }

    func pull(_ name: String) -> TokenScope { TokenScope(repository: name, access: .pull) }
    func push(_ name: String) -> TokenScope { TokenScope(repository: name, access: .pullPush) }
}
