internal import Curl
import StrictJSON

/// One page of a listing.
public struct ListingPage: Sendable, Equatable {
    /// What it names: tags, or repositories.
    public let names: [String]
    /// Where the registry says that the next page is: a path with its query, on the same origin. nil: this was the last.
    public let next: String?
}

extension RegistryClient {
    /// Lists a repository's tags (specification, "Listing Tags"), following pages up to `limit` tags.
    /// - Throws: `tooLarge` when there are more: a cut list would look complete.
    public func tags(_ name: String, limit: Int = 10_000) async throws(OCIError) -> [String] {
        var tags: [String] = []
        var next: String?
        for _ in 1...Self.pageLimit {
            let page = try await tagPage(name, at: next)
            tags += page.names
            guard tags.count <= limit else { throw .tooLarge(what: "tags of \(name)", limit: limit, unit: "entries") }
            next = page.next
            if next == nil { return tags }
        }
        throw .tooLarge(what: "tags of \(name)", limit: Self.pageLimit, unit: "pages")
    }

    /// One page of a repository's tags.
    /// - Parameters:
    ///   - next: ``ListingPage/next`` of the page before; nil: the first page.
    ///   - size: how many tags the first page is asked to have; registries may give more or fewer. nil: as many as they like.
    /// - Throws: `unexpectedAnswer` for what is no list of tags, and for a next page that is this one or elsewhere.
    public func tagPage(_ name: String, at next: String? = nil, size: Int? = nil) async throws(OCIError) -> ListingPage
    {
        let page = try await listing(
            .tagsGet, try path(name, "tags/list"), at: next, size: size, member: "tags", scope: pull(name))
        for tag in page.names { try Reference.checkTag(tag) }
        return page
    }

    /// One page of the names of all repositories (`GET /v2/_catalog`), as far as we may see them. Not every registry has
    /// that list: 401, 403, 404 and 405 are its ways to say so.
    /// - Parameters: as for ``tagPage(_:at:size:)``.
    public func catalogPage(at next: String? = nil, size: Int? = nil) async throws(OCIError) -> ListingPage {
        try await listing(
            .catalogGet, "/v2/_catalog", at: next, size: size, member: "repositories", scope: .catalog)
    }

    /// Where a tag points now, as the registry says it in the head of its answer; nil where it says nothing there. A hint:
    /// nothing was hashed.
    /// - Throws: `notFound` for 404, of whose reason a head tells nothing; the others by their status.
    public func claimedDigest(_ name: String, tag: String) async throws(OCIError) -> Digest? {
        try Reference.checkTag(tag)
        let request = RegistryRequest(
            .tagHead, .head, path: try path(name, "manifests/\(tag)"), scope: pull(name),
            headers: ["Accept": MediaType.manifestAccept], responseLimit: Manifest.byteLimit)
        let response = try await send(request, accepting: [200])
        return response.headers["Docker-Content-Digest"].flatMap { try? Digest($0) }
    }

    private func listing(
        _ kind: RequestKind, _ path: String, at next: String?, size: Int?, member: String, scope: TokenScope
    ) async throws(OCIError) -> ListingPage {
        var url: RemoteURL?
        if let next {
            guard let page = endpoint.base.resolving(next), page.origin == endpoint.base.origin else {
                throw .referenceMalformed(next, "not a page of this registry")
            }
            url = page
        } else if let size {
            url = endpoint.url(path).flatMap { RemoteURL($0.adding("n", "\(size)")) }
        }
        let request = RegistryRequest(
            kind, .get, path: path, url: url, scope: scope, responseLimit: Manifest.byteLimit)
        let response = try await send(request, accepting: [200])
        let names = try Self.names(in: response, to: request, member: member)
        let following = try nextPage(response, request)
        if let following, following == url {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "its next page is this page")
        }
        return ListingPage(names: names, next: following?.target)
    }

    /// What a page of a listing names.
    static func names(
        in response: HTTPResponse, to request: RegistryRequest, member: String
    ) throws(OCIError) -> [String] {
        guard let document = try? JSONValue(parsing: response.body), let listed = document[member] else {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "not a list of \(member)")
        }
        var names: [String] = []
        switch listed {
        case .array(let values):
            for value in values {
                guard let name = value.text else {
                    throw .unexpectedAnswer(
                        RegistryAnswer(request.operation, response), "one of its \(member) is not a string")
                }
                names.append(name)
            }
        case .null: break  // an empty Go slice may be written so
        default:
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "\(member) is not a list")
        }
        return names
    }

    /// The next page of a listing: `Link: <…>; rel="next"` (RFC 8288), on the registry's own origin only.
    func nextPage(_ response: HTTPResponse, _ request: RegistryRequest) throws(OCIError) -> RemoteURL? {
        guard
            let link = response.headers.values(of: "Link").first(where: {
                $0.contains("rel=\"next\"") || $0.contains("rel=next")
            })
        else { return nil }
        guard let open = link.firstIndex(of: "<"), let close = link[open...].firstIndex(of: ">"),
            let url = endpoint.base.resolving(String(link[link.index(after: open)..<close])),
            url.origin == endpoint.base.origin
        else {
            throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "next page is not on this registry")
        }
        return url
    }
}

extension RemoteURL {
    /// Path and query.
    fileprivate var target: String { path + (query.map { "?\($0)" } ?? "") }
}
