import FoundationEssentials
package import Hummingbird
import Logging
import OCI

/// `GET /v1/reconcile`: how the sweeps for lost webhooks stand. `POST /v1/reconcile`, with `?repository=` or for all: one at once.
package struct ReconcileController: RouteSet {
    private let records: SweepRecords
    private let plan: SweepPlan
    private let registries: [RegistryConfiguration]
    private let authority: Authority

    /// - Parameter registries: of the configuration: only those are swept.
    package init(
        records: SweepRecords, plan: SweepPlan, registries: [RegistryConfiguration], authority: Authority
    ) {
        self.records = records
        self.plan = plan
        self.registries = registries
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/reconcile") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let filter = try request.repositories(principal)
            let page = try await records.sweeps(
                filter, before: try request.cursor(), limit: try request.limit())
            // what is about all repositories of a registry is not for a token that is confined to some
            let isWhole = principal?.scope == nil
            let registries = isWhole ? try await records.registries() : []
            let logs = isWhole ? try await records.followedLogs() : []
            return try Response.json(
                ReconcileAnswer(
                    pending: try await records.pending(filter), registries: registries.map(SweptRegistryAnswer.init),
                    repositories: page.items.map(SweepAnswer.init), logs: logs.map(FollowedLogAnswer.init),
                    next: page.next))
        }
        router.post("/v1/reconcile") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            var act = AuditLog.Entry(action: "reconcile.request", by: principal)
            let asked: Date
            var filter = RepositoryFilter()
            filter.scope = principal.scope
            if let repository = try repository(in: request) {
                try authority.confine(principal, to: repository)
                guard registries.contains(where: { $0.name == repository.registry }) else {
                    throw Problem(
                        .unprocessableContent, Registries.unknownCode,
                        "registry '\(repository.registry)' is not configured"
                    )
                }
                guard plan.rule(for: repository) != nil else {
                    throw Problem(
                        .unprocessableContent, SigningPolicy.refusedCode, "no policy rule signs in \(repository)")
                }
                act.repository = repository.description
                filter.pattern = try? Glob(repository.description)
                asked = try await records.request(repository, act)
            } else {
                try authority.refuseConfined(principal)
                asked = try await records.request(registries: registries.map(\.name), act)
            }
            context.logger.notice(
                "a sweep was asked for",
                metadata: ["principal": "\(principal.name)", "repository": "\(act.repository ?? "all")"])
            return try Response.json(
                RequestedSweepAnswer(
                    repository: act.repository, requestedAt: asked, pending: try await records.pending(filter)),
                status: .accepted)
        }
    }

    private func repository(in request: Request) throws(Problem) -> Repository? {
        guard let text = request.parameter("repository") else { return nil }
        let reference = try RequestedReference(text, registries: registries, isWholeRepositoryMeant: true)
        guard reference.tag == nil, reference.digest == nil else {
            throw Problem(.badRequest, "reference.malformed", "'\(text.prefix(300))' is not host/repository")
        }
        return reference.repository
    }
}
