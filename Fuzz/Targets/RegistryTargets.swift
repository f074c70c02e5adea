#if DEBUG || FUZZING
    import Curl
    @testable import OCI

    /// What a registry that challenges us may be shown.
    private let secret = Credentials.basic(username: "user", password: .init("secret"))
    private let client = endpoint.map { RegistryClient($0, http: HTTPClient()) }
    private let endpoint = try? RegistryEndpoint(name: "registry.example.com", url: "https://registry.example.com")

    extension FuzzTarget {
        /// What a registry, or whoever names an image, sends.
        static let registry = [
            FuzzTarget(name: "manifest") { bytes in
                for mediaType in [nil, MediaType.ociManifest, MediaType.ociIndex] {
                    guard let manifest = try? Manifest(bytes: bytes, mediaType: mediaType) else { continue }
                    promise(manifest.bytes == bytes, "a manifest keeps its bytes")
                    promise(manifest.descriptor.digest == .sha256(of: bytes), "a manifest is named by its bytes")
                    _ = manifest.isSignatureMaterial
                    _ = manifest.subject
                }
            },
            FuzzTarget(name: "reference") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard let reference = try? Reference(text) else { return }
                promise(
                    (try? Reference(reference.description)) == reference, "a reference reads back as it was written")
            },
            FuzzTarget(name: "challenge") { bytes in
                guard let challenges = try? Challenge.parse(String(decoding: bytes, as: UTF8.self)) else { return }
                promise(!challenges.isEmpty, "a challenge that parsed names a scheme")
                promise(challenges.allSatisfy { $0.scheme == $0.scheme.lowercased() }, "schemes are lower case")
                guard let endpoint else { return promise(false, "an endpoint") }
                for credentials in [.anonymous, secret] {
                    for realm in challenges.compactMap({
                        try? TokenRealm($0, of: endpoint, presenting: credentials)
                    }) {
                        let isOwn = realm.url.origin == endpoint.base.origin
                        promise(isOwn || credentials == .anonymous, "credentials stay with their registry")
                        promise(isOwn == ((try? realm.check(secret)) != nil), "nor are they shown later")
                        promise(isOwn || realm.url.scheme == .https, "no plain http to strangers")
                    }
                }
            },
            FuzzTarget(name: "docker-config") { bytes in _ = try? DockerConfig(json: bytes) },
            FuzzTarget(name: "fallback-index") { bytes in
                let subject = Digest.sha256(of: [1])
                func read(_ bytes: [UInt8]) -> FallbackIndex? {
                    try? FallbackIndex(bytes: bytes, mediaType: nil, entityTag: nil, subject: subject)
                }
                let ours = Descriptor(
                    mediaType: MediaType.ociManifest, digest: .sha256(of: [2]), size: 1,
                    artifactType: MediaType.sigstoreBundle)
                guard let index = read(bytes), let written = index.adding(ours) else { return }
                guard let again = read(written) else { return promise(false, "what we write can be read") }
                promise(again.descriptors.filter { $0.digest == ours.digest } == [ours], "our referrer is listed once")
                let others = Set(index.descriptors.map(\.digest)).subtracting([ours.digest])
                promise(others == Set(again.descriptors.map(\.digest)).subtracting([ours.digest]), "the others stay")
                promise(again.adding(ours) == nil, "a referrer is added once")
                guard let without = again.removing([ours.digest]).flatMap(read) else {
                    return promise(false, "a referrer can be taken out again")
                }
                promise(Set(without.descriptors.map(\.digest)) == others, "and the others stay again")
            },
            FuzzTarget(name: "token-answer") { bytes in
                let now = ContinuousClock.now
                guard let token = try? AccessToken(answer: bytes, at: now) else { return }
                promise(token.field.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "a header field of one line")
                promise(token.expires >= now && token.expires <= now + .seconds(3600), "a life of at most an hour")
            },
            // the first line is the Link field, the rest the page
            FuzzTarget(name: "listing") { bytes in
                let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
                guard let client, parts.count == 2 else { return }
                let request = RegistryRequest(.tagsGet, .get, path: "/v2/team/app/tags/list", scope: nil)
                let response = HTTPResponse(
                    status: 200, headers: ["Link": String(decoding: parts[0], as: UTF8.self)], body: Array(parts[1]),
                    url: "", elapsed: .zero)
                for member in ["tags", "repositories"] {
                    _ = try? RegistryClient.names(in: response, to: request, member: member)
                }
                guard let next = try? client.nextPage(response, request) else { return }
                promise(next.origin == endpoint?.base.origin, "the next page is on the same registry")
            },
            FuzzTarget(name: "error-answer") { bytes in
                let answer = RegistryAnswer(
                    "PUT /v2/", HTTPResponse(status: 400, headers: [:], body: bytes, url: "", elapsed: .zero))
                promise(
                    answer.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F },
                    "no control characters in an error")
                _ = answer.error
            },
        ]
    }
#endif
