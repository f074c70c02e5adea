#if DEBUG || FUZZING
    import Countersign
    import StrictJSON

    extension FuzzTarget {
        /// What a sender of webhooks posts, in every dialect there is.
        static let deliveries = [
            FuzzTarget(name: "delivery") { bytes in
                for dialect in WebhookDialects.all {
                    let delivery = Delivery(head: dialect.emptyDelivery.head, body: bytes)
                    for case .push(let push) in (try? dialect.events(in: delivery)) ?? [] {
                        promise((try? JSONValue(parsing: push.record)) != nil, "what is kept of a push is JSON")
                        promise(push.usableTag?.isEmpty != true, "a tag that is used is one")
                        _ = push.hasOnlySignatureLayers
                    }
                }
            }
        ]
    }
#endif
