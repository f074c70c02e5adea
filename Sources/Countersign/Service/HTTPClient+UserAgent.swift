package import Curl

extension HTTPClient {
    /// A client that names itself; our own pushes are known by it when they come back as events.
    /// - Parameter concurrency: how many jobs use it at once. A log that answers once a second (Rekor v2) holds a
    ///   connection of each for that long, so that many must fit to one host, and to all hosts with the registry's.
    package convenience init(userAgent: String, concurrency: Int = 0) {
        var configuration = Configuration()
        configuration.userAgent = userAgent
        configuration.maxConnectionsPerHost = max(configuration.maxConnectionsPerHost, concurrency)
        configuration.maxConnections = max(configuration.maxConnections, 2 * concurrency)
        self.init(configuration)
    }
}
