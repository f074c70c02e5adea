import Curl
import FoundationEssentials
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// A refusal says what can be done about it.
@Suite struct ProblemTests {
    /// What an error of another set says itself.
    private static let ownFixes: Set<String> = [
        "attestation.document_invalid", "attestation.registry", "batch.grouping_legacy", "batch.registry",
    ]

    @Test func `every code of a problem has a fix, and no fix is of no code`() async throws {
        var codes = try Self.written()
        #expect(codes.count > 30, "the sources are read as this test understands them")
        try await DoorsFixture.withDoors { (doors) async throws in
            codes.formUnion(doors.listeners.operations.flatMap { $0.problems.values.joined() })
        }
        #expect(codes.subtracting(Problem.fixes.keys) == Self.ownFixes)
        #expect(Set(Problem.fixes.keys).subtracting(codes).isEmpty)
    }

    /// The codes of `Problem(.status, "code"` and of an authority's `refusal(.status, "code"`.
    private static func written() throws -> Set<String> {
        let folder = "\(packageRoot)/Sources/Countersign"
        var found: Set<String> = []
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where name.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            for call in ["Problem(", "refusal("] {
                for rest in text.split(separator: call).dropFirst() {
                    let parts = rest.prefix(120).split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
                    guard parts.count == 3, parts[0].filter({ !" \n".contains($0) }).last == "," else { continue }
                    let isCode = parts[1].contains(".") && !parts[1].contains(" ")
                    if isCode { found.insert(String(parts[1])) }
                }
            }
        }
        return found
    }

    @Test func `who shows no token is told how to, at a command line as well`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let refused = try await doors.get("/v1/jobs")
            let fix = try JSONValue(parsing: refused.body)["fix"]?.text ?? ""
            #expect(refused.status == 401 && fix.contains("Authorization: Bearer") && fix.contains("--token-file"))
        }
    }

    @Test(arguments: [
        "nobody@127.0.0.1:PORT/postgres", "postgres@127.0.0.1:PORT/postgres?sslmode=verify-full&sslrootcert=/none",
    ])
    func `a database that we cannot get to is away, whoever has to mend it`(url: String) async throws {
        let port = try await PostgresCluster.shared().port
        let cluster = try PostgresConfiguration(url: "postgresql://" + url.replacing("PORT", with: "\(port)"))
        try await DoorsFixture.withDoors(cluster: cluster) { (doors) async throws in
            let answer = try await doors.get("/v1/jobs", token: "cs_" + String(repeating: "a", count: 43))
            let problem = try JSONValue(parsing: answer.body)
            #expect(answer.status == 503 && problem["code"]?.text == "api.unavailable", "\(problem)")
            #expect(answer.headers["Retry-After"] == "5")
            #expect(problem["fix"]?.text?.contains("postgres.*") == true)
        }
    }
}
