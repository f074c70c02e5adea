/// How one kind of sender writes its deliveries, and shows that they are its own.
///
/// All that differs between senders is here: a new kind is one file with a conformance, its line in ``WebhookDialects/all``,
/// and one test.
package protocol WebhookDialect: Sendable {
    /// Its name in the configuration, `endpoints[].kind`.
    var name: String { get }

    /// What its sender's head shows.
    var proof: DeliveryProof { get }

    /// The form of its bodies, for the OpenAPI document.
    var bodySchema: Schema { get }

    /// A delivery that tells of nothing, before it is proven: nothing is stored of it. The doctor tries an endpoint with it.
    var emptyDelivery: Delivery { get }

    /// The events of an authenticated delivery, in its order.
    /// - Throws: `IntakeError.malformed` if the delivery as a whole is not of this dialect. What is wrong with a single event is
    ///   an ignored event: the sender would repeat the others with it for ever.
    func events(in delivery: Delivery) throws(IntakeError) -> [ReceivedEvent]
}

/// The dialects there are. Nothing else lists them: the configuration, the OpenAPI document, the fuzzer and the tests ask here.
package enum WebhookDialects {
    package static let all: [any WebhookDialect] = [
        DistributionDialect()
    ]

    /// The dialect of that name, as the configuration has it.
    package static func named(_ name: String) -> (any WebhookDialect)? { all.first { $0.name == name } }

    /// A body of any of them.
    static var bodySchema: Schema {
        let schemas = all.map(\.bodySchema)
        return schemas.dropFirst().reduce(schemas.first ?? .anything) { .either($0, $1) }
    }
}
