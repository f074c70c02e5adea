import FoundationEssentials
import HTTPTypes
import Hummingbird
import OCI

/// `GET /v1/repositories`: how much of each repository is signed.
struct RepositoriesController: RouteSet {
    let records: ArtifactRecords
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/repositories") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let page = try await records.coverage(
                try request.repositories(principal), before: try request.cursor(),
                limit: try request.limit(upTo: 100, otherwise: 50))
            return try Response.json(Answer(repositories: page.items.map(CoverageAnswer.init), next: page.next))
        }
    }

    private struct Answer: Encodable {
        let repositories: [CoverageAnswer]
        let next: Int64?
    }

    private struct CoverageAnswer: Encodable {
        let repository: String
        /// Newest generations by state.
        let artifacts: [String: Int]
        let total: Int
        /// From 0 to 1; absent of a repository without artifacts.
        let signedShare: Double?
        /// Whether only the newest were counted.
        let cut: Bool

        enum CodingKeys: String, CodingKey {
            case repository, artifacts, total, cut
            case signedShare = "signed_share"
        }

        init(_ coverage: RepositoryCoverage) {
            repository = coverage.repository.description
            artifacts = Dictionary(uniqueKeysWithValues: coverage.artifacts.map { ($0.key.rawValue, $0.value) })
            let total = coverage.artifacts.values.reduce(0, +)
            self.total = total
            signedShare = total == 0 ? nil : Double(coverage.artifacts[.signed] ?? 0) / Double(total)
            cut = coverage.isCut
        }
    }

    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/repositories", "repositories", "How much of each repository is signed, latest seen first.",
            access: .role(.viewer), reach: .filtered,
            parameters: [
                .registry, .repositories, .query("limit", .integer(1...100), "rows of a page; 50 if not said"), .before,
            ],
            answers: [
                .json(
                    200, "a page",
                    .object(
                        [
                            "repositories": .list(
                                of: .object(
                                    [
                                        "repository": .string, "artifacts": .map(of: .count), "total": .count,
                                        "cut": .boolean,
                                    ], optional: ["signed_share": .number]))
                        ], optional: ["next": .id]))
            ], problems: [400: ["api.bad_parameter"]])
    ]
}
