import Curl
import FoundationEssentials
import Support
import Testing

@testable import Countersign

/// What holds for every dialect there is, and for each that is added.
@Suite struct WebhookDialectsTests {
    @Test func `every dialect has a name of its own, by which it is found`() {
        let names = WebhookDialects.all.map(\.name)
        #expect(!names.isEmpty && Set(names).count == names.count)
        for name in names { #expect(WebhookDialects.named(name)?.name == name) }
        #expect(WebhookDialects.named("nobody's") == nil)
    }

    @Test func `the README says of every dialect how its sender is set up`() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/README.md", encoding: .utf8)
        for dialect in WebhookDialects.all {
            #expect(page.contains("`kind: \(dialect.name)`"), "\(dialect.name) is not described")
        }
    }

    @Test(arguments: WebhookDialects.all.map(\.name))
    func `an empty delivery is taken from who has the secret, from nobody else, and nothing is stored`(
        _ name: String
    ) async throws {
        let dialect = try #require(WebhookDialects.named(name))
        try await DoorsFixture.withDoors(.doors { $0.endpoints[0].kind = dialect }) { (doors) async throws in
            func status(_ delivery: Delivery) async throws -> Int {
                try await doors.send(
                    .post, .webhooks, "/webhooks/main", headers: delivery.head, body: delivery.body
                ).status
            }
            let empty = dialect.emptyDelivery
            #expect(try await status(dialect.proof.proving(empty, with: Secret("Bearer first-secret"))) == 202)
            #expect(try await status(dialect.proof.proving(empty, with: Secret("Bearer wrong-secret"))) == 401)
            #expect(try await status(dialect.proof.proving(empty, with: Secret(""))) == 401)
            #expect(try await status(empty) == 401)
            #expect(try await doors.events() == 0)
            #expect(doors.commits.all == [])
        }
    }

    @Test func `every dialect comes back from whatever bytes there are`() {
        let bodies = ["", "{}", "[]", "7", "null", "{\"a\":", "{\"events\":[7,{},[]]}", "payload=%7B%7D", "\u{0}"]
        for dialect in WebhookDialects.all {
            for body in bodies {
                let events = try? dialect.events(
                    in: Delivery(head: dialect.emptyDelivery.head, body: Array(body.utf8)))
                for case .push(let push) in events ?? [] { Issue.record("a push out of nothing: \(push)") }
            }
        }
    }
}
