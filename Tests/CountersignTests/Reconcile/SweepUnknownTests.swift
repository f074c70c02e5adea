import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Repositories that the registry does not have, over a real registry.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SweepUnknownTests {
    private static let unknown =
        #"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#

    private func list(of line: SigningLine) -> @Sendable (FaultRelay.Request) -> Bool {
        let path = "/v2/\(line.repository.name)/tags/list"
        return { $0.path.hasSuffix(path) }
    }

    @Test func `a repository that the registry does not know is swept, with a note, and found once it is pushed`()
        async throws
    {
        let line = try await SigningLine()
        let sweeping = try line.sweeping(names: true)
        let act = AuditLog.Entry(action: "reconcile.request", atCommandLineBy: "test")
        _ = try await line.sweeps.request(line.repository, act)
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.sweptAt != nil && swept.state == .waiting && swept.failures == 0)
        #expect(swept.counts == SweepRecords.Counts())
        #expect(swept.error?.code == "sweep.repository_unknown")
        #expect(swept.error?.observed.contains("NAME_UNKNOWN") == true)
        #expect(try await line.sweeps.pending() == 0)
        #expect(!sweeping.metrics.render().contains("countersign_sweep_failures_total{"))

        _ = try await line.image(tag: "v1")
        try await line.makeSweepsDue()
        try await sweeping.run()
        #expect(try await line.swept().error == nil)
        #expect(try await line.swept().counts.missed == 1)
    }

    @Test(arguments: [
        "", "<html>not found</html>", #"{"errors":[{"code":"UNSUPPORTED"}]}"#,
        #"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
    ])
    func `a 404 that is not the registry's word on the name is a failure`(body: String) async throws {
        let line = try await SigningLine()
        let sweeping = try line.sweeping(names: true)
        line.registry.next(.answered(404, body: body), times: 100, where: list(of: line))
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.sweptAt == nil && swept.failures == 1 && swept.error?.code == "registry.not_found")
        #expect(sweeping.metrics.render().contains("countersign_sweep_failures_total{"))
    }

    @Test func `one that vanishes while it is listed is a failure until its first page says so, too`() async throws {
        let line = try await SigningLine()
        let sweeping = try line.sweeping(names: true)
        let next = ("Link", "</v2/\(line.repository.name)/tags/list?page=1>; rel=\"next\"")
        let page = "{\"name\":\"\(line.repository.name)\",\"tags\":[]}"
        line.registry.next(.answered(200, headers: [next], body: page), where: list(of: line))
        line.registry.next(.answered(404, body: Self.unknown), times: 100, where: list(of: line))
        try await sweeping.run()
        let vanished = try await line.swept()
        #expect(vanished.sweptAt == nil && vanished.failures == 1 && vanished.error?.code == "registry.not_found")
        try await line.makeSweepsDue()
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.sweptAt != nil && swept.failures == 0 && swept.error?.code == "sweep.repository_unknown")
    }

    @Test func `one whose images are signed is a failure: the registry has lost or hides them`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image(tag: "v1").descriptor.digest
        let sweeping = try line.sweeping()
        try await sweeping.run()
        try await line.daemon().workOff()
        line.registry.next(.answered(404, body: Self.unknown), times: 1_000, where: list(of: line))
        try await line.makeSweepsDue()
        try await sweeping.run()
        let swept = try await line.swept()
        #expect(swept.failures == 1 && swept.error?.code == "registry.not_found")
        #expect(try await line.state(digest) == "signed")
    }
}
