package import Hummingbird
package import Logging
import NIOCore

/// One of the three doors of the daemon.
package enum Door: String, Sendable, CaseIterable { case webhooks, api, operations }

/// What a door offers.
package protocol RouteSet: Sendable {
    func addRoutes(to router: Router<ServiceContext>)
    /// Each of these routes as the OpenAPI document has it, in `API/Description/`.
    var operations: [Operation] { get }
}

extension RouteSet {
    // none: the test that compares router and document says what is missing
    package var operations: [Operation] { [] }
}

/// The listeners of the daemon: one for each distinct address, with the routes of every door that shares it.
package struct Listeners: Sendable {
    private let configuration: ListenerConfiguration
    private let routes: [Door: [any RouteSet]]
    private let refusedCommands: RefusedCommands
    private let logger: Logger

    /// - Parameters:
    ///   - anonymousRead: for the description of all routes, which is added to them.
    ///   - audit: where refused commands are written.
    package init(
        _ configuration: ListenerConfiguration, anonymousRead: Bool, routes: [Door: [any RouteSet]], audit: AuditLog,
        logger: Logger
    ) {
        self.configuration = configuration
        refusedCommands = RefusedCommands(audit: audit)
        let operations = routes.values.joined().flatMap(\.operations) + DescriptionController.operations
        let document = OpenAPIDocument(operations, anonymousRead: anonymousRead)
        self.routes = routes.merging([.api: [DescriptionController(document)]]) { $0 + $1 }
        self.logger = logger
    }

    /// Largest header block of a request; ours need less than 8 KiB.
    private static let maxHeaderBytes = 32 << 10
    /// Connections that say nothing for so long are closed; above the 90 s after which Go's client, a registry's, drops its own.
    private static let idleTimeout = TimeAmount.seconds(120)

    /// - Parameter onBound: told for each door once it listens, with the port that was bound (it was chosen when the
    ///   configuration says 0).
    /// - Returns: services that listen until they are shut down gracefully: then no new connections, and requests under way end.
    ///   They throw ``ListenerError``.
    package func services(onBound: @escaping @Sendable (Door, Int) async -> Void) -> [HTTPListener] {
        let byAddress = Dictionary(grouping: Door.allCases, by: address)
        return byAddress.sorted { $0.key.description < $1.key.description }.map { address, doors in
            application(address, doors, onBound)
        }
    }

    private func address(of door: Door) -> ListenAddress {
        switch door {
        case .webhooks: configuration.webhooks
        case .api: configuration.api
        case .operations: configuration.operations
        }
    }

    /// Everything that is answered behind these doors.
    private func router(for doors: [Door]) -> Router<ServiceContext> {
        let router = Router(context: ServiceContext.self)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: refusedCommands)
        for door in doors {
            for set in routes[door] ?? [] { set.addRoutes(to: router) }
        }
        return router
    }

    /// Every route of these doors, as `GET /v1/jobs/{id}`.
    package func routes(of doors: [Door]) -> [String] { router(for: doors).routes.map(\.description) }

    /// What the controllers say of their routes, all doors together.
    package var operations: [Operation] { Door.allCases.flatMap { routes[$0] ?? [] }.flatMap(\.operations) }

    private func application(
        _ address: ListenAddress, _ doors: [Door], _ onBound: @escaping @Sendable (Door, Int) async -> Void
    ) -> HTTPListener {
        let application = Application(
            router: router(for: doors),
            server: .http1(
                configuration: .init(
                    idleTimeout: Self.idleTimeout,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.maxHeaderBytes, maxHeaderListSize: Self.maxHeaderBytes,
                        maxHeaderFieldCount: 100))),
            configuration: .init(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: .maximum(configuration.maxConnections, logger: logger)),
            onServerRunning: { [logger] channel in
                let port = channel.localAddress?.port ?? address.port
                let names = doors.map(\.rawValue).joined(separator: ", ")
                logger.notice("listening", metadata: ["address": "\(address.host):\(port)", "doors": "\(names)"])
                for door in doors { await onBound(door, port) }
            },
            logger: logger)
        return HTTPListener(application: application, doors: doors, address: address)
    }
}
