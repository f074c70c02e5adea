internal import Curl

/// The referrers of a subject, and where they were read.
public enum ReferrersListing: Sendable, Equatable {
    /// From the referrers API.
    case api([Descriptor])
    /// From the fallback tag; `exists` is false when the registry answered that there is no such tag.
    case fallback(index: [Descriptor], exists: Bool)

    /// The referrers' descriptors. Clients disagree about `artifactType` (cosign lists bundles under
    /// `application/vnd.oci.empty.v1+json`), so it is no filter: look into the manifests.
    public var descriptors: [Descriptor] {
        switch self {
        case .api(let descriptors), .fallback(let descriptors, _): descriptors
        }
    }
}

extension RegistryClient {
    /// The most pages of one referrers listing; with ``FallbackIndex/entryLimit`` entries in all.
    static let pageLimit = 10

    /// Lists the referrers of `subject`: the API first, the fallback tag when there is none.
    ///
    /// An empty answer means that the registry said so. Everything else throws.
    public func referrers(_ name: String, of subject: Digest) async throws(OCIError) -> ReferrersListing {
        if let listed = try await listedByAPI(name, subject) { return .api(listed) }
        guard let index = try await fallbackIndex(name, subject) else { return .fallback(index: [], exists: false) }
        return .fallback(index: index.descriptors, exists: true)
    }

    /// Lists `entry` in the fallback index of `subject`: read, merge, write, and read back until it is there.
    ///
    /// The caller holds the lease of the subject. What is listed and was deleted goes where the registry takes no index that
    /// lists it.
    /// - Returns: whether anything had to be written.
    /// - Throws: `fallbackNotAnIndex` when the tag holds something else, `fallbackIndexContended` after the last round.
    @discardableResult
    public func addToFallbackIndex(_ name: String, subject: Digest, entry: Descriptor) async throws(OCIError) -> Bool {
        try await rewriteFallbackIndex(name, subject) { index, gone in index.adding(entry, without: gone) }
    }

    /// Takes referrers of ours out of the fallback index of `subject`, by the same reading, changing and writing as
    /// ``addToFallbackIndex(_:subject:entry:)``. Their manifests stay: nothing is deleted.
    ///
    /// Where the registry lists referrers by itself there is no index to write, and they stay listed until somebody with
    /// the right to delete does so. The caller holds the lease of the subject.
    /// - Returns: whether the registry lists none of them any more.
    /// - Throws: `fallbackNotAnIndex` when the tag holds something else, `fallbackIndexContended` after the last round.
    @discardableResult
    public func dropFromFallbackIndex(
        _ name: String, subject: Digest, referrers: Set<Digest>
    ) async throws(OCIError) -> Bool {
        guard !referrers.isEmpty else { return true }
        if try await listedByAPI(name, subject) != nil { return false }
        _ = try await rewriteFallbackIndex(name, subject) { index, gone in index.removing(referrers.union(gone)) }
        return true
    }

    private func rewriteFallbackIndex(
        _ name: String, _ subject: Digest, change: (FallbackIndex, _ gone: Set<Digest>) -> [UInt8]?
    ) async throws(OCIError) -> Bool {
        try await rewriting(
            SignatureTag.fallback(for: subject), .fallbackPut, in: name,
            read: { () async throws(OCIError) -> FallbackIndex in try await fallbackIndex(name, subject) ?? .empty },
            change: { (index, gone) async throws(OCIError) -> Rewritten? in
                change(index, gone).map { bytes in
                    Rewritten(
                        manifest: bytes, mediaType: MediaType.ociIndex, entityTag: index.entityTag,
                        listed: index.descriptors)
                }
            }
        ).isWritten
    }

    /// The fallback index, or `nil` when the registry itself answers that there is no such tag.
    private func fallbackIndex(_ name: String, _ subject: Digest) async throws(OCIError) -> FallbackIndex? {
        let response: HTTPResponse
        do {
            response = try await manifestAnswer(.fallbackGet, name, SignatureTag.fallback(for: subject))
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return nil  // a proxy's 404 page is an outage: an index of ours alone would unlist everybody's referrers
        }
        return try FallbackIndex(
            bytes: response.body, mediaType: response.headers["Content-Type"], entityTag: response.headers["ETag"],
            subject: subject)
    }

    /// What the referrers API lists, or `nil` when this registry has none (specification, "Listing Referrers").
    func listedByAPI(
        _ name: String, _ subject: Digest, acknowledged: Bool = false
    ) async throws(OCIError) -> [Descriptor]? {
        if memory.knowsReferrersAPIMissing { return nil }
        var descriptors: [Descriptor] = []
        var page: RemoteURL?
        for number in 1...Self.pageLimit {
            let request = RegistryRequest(
                .referrersGet, .get, path: try path(name, "referrers/\(subject)"), url: page, scope: pull(name),
                headers: ["Accept": MediaType.ociIndex], responseLimit: Manifest.byteLimit)
            // 404 is the specification's answer of a registry without the API; the others are seen in the field.
            let response = try await send(request, accepting: [200, 404, 405, 406, 501])
            guard response.status == 200 else {
                let answer = RegistryAnswer(request.operation, response)
                guard number == 1 else {
                    // that a listing does not go on says nothing about the image
                    throw response.status == 404 ? .unexpectedAnswer(answer, "page \(number) of it") : answer.error
                }
                guard answer.isDistributionError || memory.believesReferrersAPIMissing(in: name) else {
                    throw .unexpectedAnswer(answer, "it has listed referrers before")
                }
                rememberMissingAPI(answer, acknowledged: acknowledged)
                return nil
            }
            descriptors += try referrersPage(response, request)
            guard descriptors.count <= FallbackIndex.entryLimit else {
                throw .tooLarge(what: "referrers of \(subject)", limit: FallbackIndex.entryLimit, unit: "entries")
            }
            memory.referrersAPIAnswered(in: name)
            page = try nextPage(response, request)
            if page == nil { return descriptors }
        }
        throw .tooLarge(what: "referrers of \(subject)", limit: Self.pageLimit, unit: "pages")
    }

    /// An entry whose digest is of an algorithm that we cannot compute is passed over: anybody may list one, and what it
    /// names is nothing of ours.
    private func referrersPage(_ response: HTTPResponse, _ request: RegistryRequest) throws(OCIError) -> [Descriptor] {
        let manifest = try Manifest(
            bytes: response.body, mediaType: response.headers["Content-Type"], expecting: nil,
            entryLimit: FallbackIndex.entryLimit, passesOverForeign: true)
        guard case .index(let index) = manifest.content, manifest.descriptor.mediaType == MediaType.ociIndex else {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "referrers are not an OCI index")
        }
        return index.manifests
    }

    /// "No such repository" says nothing about the API, so it is not remembered as its absence.
    private func rememberMissingAPI(_ answer: RegistryAnswer, acknowledged: Bool) {
        guard !answer.saysThereIsNone else { return }
        memory.referrersAPIMissing(acknowledgesSubjects: acknowledged)
    }
}
