import OCI
import Testing

@testable import Countersign

@Suite struct SweepPlanTests {
    private func plan(_ rules: [(String, PolicyConfiguration.Effect)], lists: [String]) throws -> SweepPlan {
        let rules = try rules.enumerated().map { number, rule in
            var made = PolicyConfiguration.Rule(name: "r\(number)", repositories: [try Glob(rule.0)])
            made.effect = rule.1
            return made
        }
        var endpoint = EndpointConfiguration(name: "main", registry: "a.example", secrets: [Secret("secret")])
        endpoint.repositories = try lists.map(Glob.init)
        return SweepPlan(policy: SigningPolicy(PolicyConfiguration(rules: rules), endpoints: [endpoint]))
    }

    @Test func `names that are written out in lists or rules are swept if policy signs them`() throws {
        let plan = try plan(
            [
                ("a.example/no", .refuse), ("a.example/team/app", .sign), ("a.example/**", .sign),
                ("b.example/other", .sign),
            ],
            lists: ["team/*", "lib", "no"])
        #expect(plan.named(in: "a.example").map(\.name) == ["lib", "team/app"])
        #expect(plan.named(in: "b.example").isEmpty)
    }

    @Test func `the catalog is asked only where lists and rules both have globs`() throws {
        #expect(try plan([("a.example/**", .sign)], lists: ["team/**"]).needsCatalog(of: "a.example"))
        #expect(try !plan([("a.example/**", .sign)], lists: ["lib"]).needsCatalog(of: "a.example"))
        #expect(
            try !plan([("a.example/lib", .sign), ("a.example/**", .refuse)], lists: ["**"]).needsCatalog(
                of: "a.example"))
        #expect(try !plan([("a.example/**", .sign)], lists: ["**"]).needsCatalog(of: "b.example"))
    }
}
