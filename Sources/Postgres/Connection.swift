import Glibc

/// The connection of one thread: opened when it is first needed, replaced when it broke. Used on its thread only.
final class Connection {
    private let configuration: PostgresConfiguration
    private var link: Link?
    /// Why there is no connection now; nil as soon as one stands.
    private(set) var outage: PostgresError?

    init(_ configuration: PostgresConfiguration) { self.configuration = configuration }

    func disconnect() { link = nil }

    /// Lends the connection to the body. Connecting is tried again and again until `patience` is over: a restart of the
    /// server shorter than that is not noticed by callers.
    func withSession<R>(
        patience: ContinuousClock.Instant, deadline: Duration?, _ body: (Session) -> R
    ) throws(PostgresError) -> R {
        let link = try usableLink(until: patience)
        let session = Session(link, deadline: deadline)
        let value = body(session)
        session.end()
        let leftOpen = link.isUsable && link.isInTransaction
        session.rollBack()
        if !link.isIdle { self.link = nil }
        if leftOpen { throw .misuse("a session left its transaction open; it was rolled back") }
        return value
    }

    private func usableLink(until patience: ContinuousClock.Instant) throws(PostgresError) -> Link {
        if let link, link.survivedIdling() { return link }
        link = nil
        var ceiling = Duration.milliseconds(50)
        while true {
            do {
                let fresh = try Link.open(configuration)
                (link, outage) = (fresh, nil)
                return fresh
            } catch {
                outage = error
                // Full jitter: the connections of all pools were lost at the same moment and must not return as one.
                let pause = ceiling * Double.random(in: 0.1...1)
                guard error.isTransient, .now + pause < patience else { throw error }
                usleep(UInt32(pause / .microseconds(1)))
                ceiling = min(ceiling * 2, .milliseconds(500))
            }
        }
    }
}
