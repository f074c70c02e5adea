import Logging
import OCI
import OpenSSL

extension Intake {
    /// Stores what one delivery had, in one commit.
    ///
    /// A row that the database refuses must not refuse the delivery: its registry would repeat it for ever and hold back
    /// every push behind it. Then each event is stored for itself, and the bad one as a refusal that says so.
    func store(_ requests: [EnqueueRequest], _ endpoint: EndpointConfiguration) async throws(IntakeError) -> Receipt {
        do {
            return report(requests, try await commit(requests), endpoint)
        } catch {
            guard case .unstorable = error else { throw unavailable(error, endpoint) }
        }
        var receipt = Receipt()
        for request in requests { receipt += try await storeAlone(request, endpoint) }
        return receipt
    }

    private func storeAlone(
        _ request: EnqueueRequest, _ endpoint: EndpointConfiguration
    ) async throws(IntakeError) -> Receipt {
        do {
            return report([request], try await commit([request]), endpoint)
        } catch {
            guard case .unstorable = error else { throw unavailable(error, endpoint) }
            return try await refuse(request, "the event cannot be stored: \(error)", endpoint)
        }
    }

    /// Keeps of an event that cannot be stored only what certainly can: whose it was, and why.
    private func refuse(
        _ request: EnqueueRequest, _ reason: String, _ endpoint: EndpointConfiguration
    ) async throws(IntakeError) -> Receipt {
        let bare = EnqueueRequest(
            source: endpoint.name, registry: endpoint.registry, repository: request.repository.claimed, digest: nil,
            verdict: .refused(reason: reason),
            delivery: request.delivery.map {
                RecordedDelivery(key: $0.key, body: Array(#"{"left_out":"unstorable"}"#.utf8))
            })
        do {
            return report([bare], try await commit([bare]), endpoint)
        } catch {
            guard case .unstorable = error else { throw unavailable(error, endpoint) }
            metrics.events.increment(endpoint.name, "unstorable")
            logger.error(
                "event lost",
                metadata: [
                    "endpoint": "\(endpoint.name)", "reason": "\(reason)", "error.code": "\(error.code)",
                    "error": "\(error)",
                ])
            return Receipt(refused: 1)
        }
    }

    private func unavailable(_ error: QueueError, _ endpoint: EndpointConfiguration) -> IntakeError {
        logger.error(
            "delivery not stored",
            metadata: [
                "endpoint": "\(endpoint.name)", "code": "\(error.code)", "observed": "\(error)", "fix": "\(error.fix)",
            ])
        return .unavailable(code: error.code)
    }

    private func report(
        _ requests: [EnqueueRequest], _ result: EnqueueResult, _ endpoint: EndpointConfiguration
    ) -> Receipt {
        for (request, item) in zip(requests, result.items) {
            metrics.events.increment(endpoint.name, item.verdict.rawValue)
            logger.info("push event", metadata: request.logged(item, endpoint: endpoint.name))
        }
        return Receipt(
            accepted: result.count(.accepted), known: result.count(.known), refused: result.count(.refused))
    }
}

extension EnqueueRequest {
    /// A push that policy lets in, under the registry's canonical name.
    init(
        _ event: PushEvent, in repository: Repository, allowedBy rule: String, policyVersion: String,
        endpoint: EndpointConfiguration
    ) {
        self.init(
            event, registry: repository.registry, repository: repository.name,
            verdict: .accepted(rule: rule, policyVersion: policyVersion), endpoint: endpoint)
    }

    /// A push that is only written down: with what the payload claimed, cut to what a column takes.
    init(_ event: PushEvent, of registry: String, refusedFor reason: String, endpoint: EndpointConfiguration) {
        self.init(
            event, registry: registry.claimed, repository: (event.repository ?? "").claimed,
            verdict: .refused(reason: reason), endpoint: endpoint)
        speaksForTag = (try? Repository(registry: registry, name: repository)).map(endpoint.speaks) ?? false
    }

    private init(
        _ event: PushEvent, registry: String, repository: String, verdict: Verdict, endpoint: EndpointConfiguration
    ) {
        let key = Array("\(endpoint.name)\u{0}\(event.id ?? "")".utf8) + (event.id == nil ? event.record : [])
        self.init(
            source: endpoint.name, registry: registry, repository: repository,
            digest: event.digest.flatMap { try? Digest($0) }, tag: event.usableTag, mediaType: event.mediaType?.claimed,
            actor: event.actor?.claimed, verdict: verdict,
            delivery: RecordedDelivery(key: Hash.sha256(key), body: event.record))
    }

    fileprivate func logged(_ item: EnqueueResult.Item, endpoint: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "endpoint": "\(endpoint)", "verdict": "\(item.verdict.rawValue)",
            "registry.host": "\(registry.prefix(255))",
            "repository": "\(repository.prefix(255))",
        ]
        // eight bytes are enough to find a delivery in logs and in the table
        metadata["delivery.id"] = delivery.map { "\(Hex.encode($0.key.prefix(8)))" }
        metadata["artifact.digest"] = digest.map { "\($0)" }
        metadata["tag"] = tag.map { "\($0.prefix(128))" }
        metadata["target.id"] = item.targetID.map { "\($0)" }
        if case .refused(let reason) = verdict { metadata["reason"] = "\(reason)" }
        return metadata
    }
}

extension String {
    /// What a payload claims, in a form that every column and every log takes: printable, at most 255 characters. A valid
    /// repository name stays as it is.
    fileprivate var claimed: String { Failure.printable(self, limit: 255) }
}
