import Curl
import FoundationEssentials
import OCI
import Sigstore
import StrictJSON

/// Notifications of CNCF distribution 2.x (`…events.v1+json`) and 3.x (`…events.v2+json`), and of GitLab, which embeds it.
///
/// Both envelopes are `{"events": […]}`; the types differ only in name, and proxies rewrite them, so the body decides.
/// Which manifest it is follows from `target.mediaType` alone: blobs too have URLs with `/manifests/` (seen in 2.1), and the
/// URL never carries the tag.
package struct DistributionDialect: WebhookDialect {
    package let name = "distribution"
    /// It has no other way to show who it is than static headers.
    package let proof = DeliveryProof.secret(in: "Authorization")

    package init() {}

    package var bodySchema: Schema { .object([:], optional: ["events": .either(.list(of: .anything), .null)]) }

    package var emptyDelivery: Delivery {
        Delivery(head: ["Content-Type": "application/json"], body: Array(#"{"events":[]}"#.utf8))
    }

    package func events(in delivery: Delivery) throws(IntakeError) -> [ReceivedEvent] {
        let body = try delivery.document()
        guard case .object = body else { throw .malformed("the body is not a JSON object") }
        switch body["events"] {
        // The documentation prints events without their envelope; nothing to do is not an error.
        case nil, .null?: return []
        case .array(let events)?: return events.map(received)
        default: throw .malformed("'events' is not a list")
        }
    }

    /// A push of a manifest is a push whatever it lacks: what cannot be signed of it is refused with the reason, and seen.
    private func received(_ event: JSONValue) -> ReceivedEvent {
        guard let action = event["action"]?.text else { return .ignored(.incomplete) }
        guard action == "push" else { return .ignored(.action) }
        guard let target = event["target"], let mediaType = target["mediaType"]?.text,
            MediaType.isManifest(mediaType) || PushEvent.isSchema1(mediaType)
        else { return .ignored(.notAManifest) }
        var push = PushEvent(registryHost: event["request"]?["host"]?.text, repository: target["repository"]?.text)
        push.id = event["id"]?.text
        push.digest = target["digest"]?.text
        push.tag = target["tag"]?.text
        push.mediaType = mediaType
        if case .array(let references)? = target["references"] {
            push.references = references.compactMap { $0["mediaType"]?.text }
        }
        push.actor = event["actor"]?["name"]?.text
        push.time = event["timestamp"]?.text.flatMap(Date.init(rfc3339:))
        push.userAgent = event["request"]?["useragent"]?.text
        push.record = ScrubbedRecord.render(event)
        return .push(push)
    }
}
