import Synchronization

/// What is built over the services of the moment (clients, with what they remember): kept while these stay the same, built
/// anew when they change.
package final class ServiceClients<Clients: Sendable>: Sendable {
    private struct Built {
        let services: InstanceServices
        let clients: Clients
    }

    private let trust: TrustKeeper
    private let build: @Sendable (InstanceServices) throws -> Clients
    private let built = Mutex<Built?>(nil)

    package init(_ trust: TrustKeeper, build: @escaping @Sendable (InstanceServices) throws -> Clients) {
        self.trust = trust
        self.build = build
    }

    /// The clients for work that begins now.
    /// - Throws: what ``TrustKeeper/services(at:)`` throws, and what building throws.
    package func current() throws -> Clients {
        let services = try trust.services()
        return try built.withLock { built in
            if let known = built, known.services == services { return known.clients }
            let clients = try build(services)
            built = Built(services: services, clients: clients)
            return clients
        }
    }
}
