package import Curl

extension HTTPClient {
    /// A client that names itself; our own pushes are known by it when they come back as events.
    package convenience init(userAgent: String) {
        var configuration = Configuration()
        configuration.userAgent = userAgent
        self.init(configuration)
    }
}
