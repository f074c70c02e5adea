public import Curl

extension HTTPRoute {
    /// To servers of the tests: private, plain, no proxy, and with all the time that a busy machine takes. A test of limits sets
    /// its own.
    public static let toTestServer: HTTPRoute = {
        var route = HTTPRoute()
        (route.addresses, route.allowPlainHTTP, route.proxy) = (.privateAllowed, true, .none)
        (route.connectTimeout, route.totalTimeout) = (.seconds(60), .seconds(300))
        return route
    }()
}
