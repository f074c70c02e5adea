import Synchronization

/// What is built over the services of the moment (clients, with what they remember): kept while these stay the same, built
/// anew when they change.
package final class ServiceClients<Clients: Sendable>: Sendable {
    private struct Built {
        let services: InstanceServices
        let clients: Clients
    }

    private let services: @Sendable () throws -> InstanceServices
    private let build: @Sendable (InstanceServices) throws -> Clients
    private let built = Mutex<Built?>(nil)

    package init(_ trust: TrustKeeper, build: @escaping @Sendable (InstanceServices) throws -> Clients) {
        services = { try trust.services() }
        self.build = build
    }

    /// Clients that never change: tests, and commands that run once.
    package init(fixed clients: Clients) {
        services = { InstanceServices(fulcio: nil, timestampAuthorities: [], logs: []) }
        build = { _ in clients }
    }

    /// The clients for work that begins now.
    /// - Throws: what ``TrustKeeper/services(at:)`` throws, and what building throws.
    package func current() throws -> Clients {
        let services = try self.services()
        return try built.withLock { built in
            if let known = built, known.services == services { return known.clients }
            let clients = try build(services)
            built = Built(services: services, clients: clients)
            return clients
        }
    }
}
