import Curl

extension HTTPRoute {
    /// A route to a server of these tests: private, plain, no proxy.
    static func loopback(_ change: (inout HTTPRoute) -> Void = { _ in }) -> HTTPRoute {
        var route = HTTPRoute()
        route.addresses = .privateAllowed
        route.allowPlainHTTP = true
        route.proxy = .none
        change(&route)
        return route
    }
}

/// How the request fails; nil when it does not.
func failure(_ client: HTTPClient, _ request: HTTPRequest) async -> HTTPError? {
    do throws(HTTPError) {
        _ = try await client.send(request)
        return nil
    } catch {
        return error
    }
}
