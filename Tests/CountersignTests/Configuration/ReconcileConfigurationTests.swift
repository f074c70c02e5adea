import Testing

@testable import Countersign

@Suite struct ReconcileConfigurationTests {
    @Test func `without the section nothing is swept by itself, and published signatures are looked at daily`() throws {
        let reconcile = try Self.parse("").reconcile
        #expect(reconcile == ReconcileConfiguration())
        #expect(!reconcile.sweep.isScheduled && reconcile.recheck.isScheduled && !reconcile.identityMonitor.isEnabled)
    }

    @Test func `all of it can be said`() throws {
        let reconcile = try Self.parse(
            """
            reconcile:
              sweep: {interval: 6h, rate: 5, page_size: 50}
              recheck: {interval: 0, rate: 7}
              identity_monitor: {enabled: true, start: 4711, poll: 5s, rate: 3, grace: 2m}
            """
        ).reconcile
        #expect(
            reconcile.sweep.interval == .seconds(6 * 3600) && reconcile.sweep.pageSize == 50
                && reconcile.sweep.rate == 5)
        #expect(!reconcile.recheck.isScheduled && reconcile.recheck.rate == 7)
        #expect(reconcile.identityMonitor.start == .index(4711) && reconcile.identityMonitor.grace == .seconds(120))
    }

    @Test(arguments: [
        ("sweep: {interval: 1s}", "reconcile.sweep.interval"), ("sweep: {rate: 0}", "reconcile.sweep.rate"),
        ("sweep: {page_size: 0}", "reconcile.sweep.page_size"),
        ("recheck: {interval: 10ms}", "reconcile.recheck.interval"),
        ("recheck: {rate: 0}", "reconcile.recheck.rate"),
        ("identity_monitor: {start: yesterday}", "reconcile.identity_monitor.start"),
        ("identity_monitor: {poll: 0}", "reconcile.identity_monitor.poll"),
        ("identity_monitor: {rate: 5000}", "reconcile.identity_monitor.rate"),
        ("identity_monitor: {grace: 1s}", "reconcile.identity_monitor.grace"),
    ])
    func `what cannot be is told by its place`(_ keys: String, _ path: String) throws {
        do {
            _ = try Self.parse("reconcile: {\(keys)}")
            Issue.record("\(keys) was taken")
        } catch let error as ConfigurationError {
            #expect(error.problems.map(\.path) == [path])
        }
    }

    private static func parse(_ section: String) throws -> Configuration {
        try Configuration.parse(minimal + "\n" + section, directory: "/etc", sources: .example)
    }
}
