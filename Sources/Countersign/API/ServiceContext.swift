package import FoundationEssentials
package import Hummingbird
import NIOCore

/// What every request carries through our routers: Hummingbird's core and the connection it came by.
package struct ServiceContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Closed early when a sender will not stop.
    let channel: any Channel

    package init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// Every response body of ours is JSON with sorted keys and ISO 8601 times.
    package var responseEncoder: JSONEncoder { .service }
}
