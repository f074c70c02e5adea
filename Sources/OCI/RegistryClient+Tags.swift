internal import Curl
import StrictJSON

extension RegistryClient {
    /// Lists a repository's tags (specification, "Listing Tags"), following pages up to `limit` tags.
    /// - Throws: `tooLarge` when there are more: a cut list would look complete.
    public func tags(_ name: String, limit: Int = 10_000) async throws(OCIError) -> [String] {
        var tags: [String] = []
        var page: RemoteURL?
        for _ in 1...Self.pageLimit {
            let request = RegistryRequest(
                .tagsGet, .get, path: try path(name, "tags/list"), url: page, scope: pull(name),
                responseLimit: Manifest.byteLimit)
            let response = try await send(request, accepting: [200])
            guard let document = try? JSONValue(parsing: response.body), let listed = document["tags"] else {
                throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "not a list of tags")
            }
            // An empty Go slice may be written as null.
            if case .array(let values) = listed {
                for value in values {
                    guard let tag = value.text else {
                        throw .unexpectedAnswer(RegistryAnswer(request.operation, response), "a tag is not a string")
                    }
                    try Reference.checkTag(tag)
                    tags.append(tag)
                }
            }
            guard tags.count <= limit else { throw .tooLarge(what: "tags of \(name)", limit: limit, unit: "entries") }
            page = try nextPage(response, request)
            if page == nil { return tags }
        }
        throw .tooLarge(what: "tags of \(name)", limit: Self.pageLimit, unit: "pages")
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
