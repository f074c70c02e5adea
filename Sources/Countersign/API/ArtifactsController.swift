package import Hummingbird
import OCI

/// `GET /v1/artifacts`: a list. `GET /v1/artifacts?ref=host/repository@digest` (or `:tag`), with `&wait=30s` to be answered when the state is final
/// and nothing looks at it again.
package struct ArtifactsController: RouteSet {
    private let records: ArtifactRecords
    private let registries: [RegistryConfiguration]
    private let authority: Authority
    private let maxWait: Duration
    private let room: WaitingRoom

    /// A reader asks the database at most so often.
    private static let shortestPause: Duration = .milliseconds(250)
    private static let longestPause: Duration = .seconds(1)

    package init(
        records: ArtifactRecords, configuration: Configuration, authority: Authority, metrics: ServiceMetrics
    ) {
        self.records = records
        self.authority = authority
        registries = configuration.registries
        maxWait = configuration.api.maxWait
        room = WaitingRoom(places: configuration.api.maxWaiters, waiters: metrics.apiWaiters)
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/artifacts") { request, _ in
            // who it is comes first: a stranger is not told what a reference should look like
            let principal = try await authority.identify(.viewer, for: request)
            let wait = try request.parameter("wait", "a duration such as 30s") { Duration(configured: $0) }
            guard let text = request.parameter("ref") else { return try await list(request, principal) }
            let reference = try RequestedReference(text, registries: registries)
            try authority.confine(principal, to: reference.repository)
            guard let status = try await status(of: reference, waiting: min(wait ?? .zero, maxWait)) else {
                throw Problem(.notFound, "artifact.unknown", "no push of \(text.prefix(300)) was seen")
            }
            return try Response.json(ArtifactAnswer(status, try await history(of: status)), unlessKnownTo: request)
        }
    }

    private struct ListAnswer: Encodable {
        let artifacts: [ArtifactAnswer]
        let next: Int64?
    }

    private func list(_ request: Request, _ principal: APITokens.Principal?) async throws -> Response {
        var filter = ArtifactFilter()
        filter.repositories = try request.repositories(principal)
        filter.state = try request.parameter("state", "a state such as signed") { TargetState(rawValue: $0) }
        filter.identity = request.parameter("identity")
        filter.before = try request.time("until")
        filter.after = try request.time("since")
        let page = try await records.artifacts(filter, before: try request.cursor(), limit: try request.limit())
        return try Response.json(ListAnswer(artifacts: page.items.map { ArtifactAnswer($0, nil) }, next: page.next))
    }

    /// What came before, where something did.
    private func history(of status: ArtifactStatus) async throws(QueueError) -> ArtifactHistory? {
        guard let digest = status.digest, status.targetID != nil else { return nil }
        return try await records.history(of: digest, in: status.repository)
    }

    /// The present status, or the one at the end of the wait. A reference that is not known yet is waited for too: the push
    /// may have overtaken its webhook.
    private func status(of reference: RequestedReference, waiting span: Duration) async throws -> ArtifactStatus? {
        let present = try await look(at: reference)
        guard span > .zero, present?.isSettled != true else { return present }
        return try await room.waiting { try await settledStatus(of: reference, until: .now + span) }
    }

    private func settledStatus(
        of reference: RequestedReference, until deadline: ContinuousClock.Instant
    ) async throws -> ArtifactStatus? {
        var pause = Self.shortestPause
        while true {
            let goesOn = try await WaitingRoom.pause(for: min(pause, deadline - .now))
            let status = try await look(at: reference)
            if status?.isSettled == true || !goesOn || deadline <= .now { return status }
            pause = min(pause * 3 / 2, Self.longestPause)
        }
    }

    private func look(at reference: RequestedReference) async throws(QueueError) -> ArtifactStatus? {
        if let digest = reference.digest { return try await records.status(of: digest, in: reference.repository) }
        guard let tag = reference.tag else { return nil }
        return try await records.status(ofTag: tag, in: reference.repository)
    }
}

extension ArtifactStatus {
    /// Whether nothing of ours will change it: final, and no job looks whether the signature still stands.
    fileprivate var isSettled: Bool { state.isFinal && !recheck }
}
