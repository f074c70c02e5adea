package import StrictJSON

/// How one kind of sender writes its deliveries. A new kind is one file with a conformance, one case of
/// `EndpointConfiguration.Kind`, and one test.
package protocol WebhookDialect: Sendable {
    /// The events of an authenticated body, in its order.
    /// - Throws: `IntakeError.malformed` if the body as a whole is not of this dialect. What is wrong with a single event is an
    ///   ignored event: the sender would repeat the others with it for ever.
    func events(in body: JSONValue) throws(IntakeError) -> [ReceivedEvent]
}

extension EndpointConfiguration.Kind {
    package var dialect: any WebhookDialect {
        switch self {
        case .distribution: DistributionDialect()
        }
    }
}
