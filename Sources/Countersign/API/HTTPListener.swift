import Glibc
import NIOCore
import ServiceLifecycle

/// Why the daemon cannot listen.
package struct ListenerError: Error, Sendable, Equatable {
    /// Those that share the address.
    let doors: [Door]
    let address: ListenAddress
    /// What the system says.
    let reason: String

    package var code: String { "listener.unavailable" }

    /// `listeners.webhooks 127.0.0.1:8080: address already in use`.
    package var observed: String {
        doors.map { "listeners.\($0.rawValue)" }.joined(separator: ", ") + " \(address): \(reason)"
    }

    package var fix: String {
        "stop what listens there (another daemon?), or name a free address of this host that its user may listen on"
    }
}

/// One listener, which says what cannot be listened on as the configuration calls it.
package struct HTTPListener: Service {
    let application: any Service
    let doors: [Door]
    let address: ListenAddress

    /// - Throws: ``ListenerError``
    package func run() async throws {
        do {
            try await application.run()
        } catch let error as IOError {
            throw unavailable(String(cString: strerror(error.errnoCode)).lowercased())
        } catch is SocketAddressError.UnknownHost {
            throw unavailable("the host has no address")
        }
    }

    private func unavailable(_ reason: String) -> ListenerError {
        ListenerError(doors: doors, address: address, reason: reason)
    }
}
