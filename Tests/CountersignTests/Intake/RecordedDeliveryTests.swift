import Curl
import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Deliveries as docker-registry 2.8.2 sent them (`Fixtures`), through our own door. These are here on every machine; more of
/// them, and of other senders, lie in `../shared`.
@Suite struct RecordedDeliveryTests {
    private static let registry = "127.0.0.1:47000"

    private func delivery(_ name: String) throws -> String {
        try String(
            contentsOfFile: "\(packageRoot)/Tests/CountersignTests/Intake/Fixtures/\(name).json", encoding: .utf8)
    }

    private var configuration: Configuration {
        .doors {
            $0.registries = [.init(name: Self.registry, upstream: .init(url: "https://\(Self.registry)"))]
            $0.endpoints[0].registry = Self.registry
            $0.policy = .init(rules: [.init(name: "team", repositories: [glob("\(Self.registry)/team/**")])])
        }
    }

    @Test(arguments: [
        ("push-oci", "team/app-oci", "sha256:36a01e0d580cb8b1c312ed9669c33c832d474369ea5f3c554fc31f650660c7f5"),
        ("push-docker-schema2", "team/app", "sha256:41fe20a64cdea2e3a6b8e095464ff8a251e980b8d86d2e86880609a739356955"),
    ])
    func `the push of an image is queued under its digest, its tag and its client known`(
        name: String, repository: String, digest: String
    ) async throws {
        try await DoorsFixture.withDoors(configuration) { (doors) async throws in
            let answer = try await doors.deliver(delivery(name))
            #expect(answer.status == 202)
            #expect(
                String(decoding: answer.body, as: UTF8.self) == #"{"accepted":1,"ignored":0,"known":0,"refused":0}"#)
            #expect(try await doors.queue.state(Digest(digest)) == "queued")
            let stored = try await doors.queue.text(
                """
                SELECT repository || ' ' || tag || ' ' || (convert_from(body, 'UTF8') ~ 'go-containerregistry')::text
                FROM countersign.event
                """)
            #expect(stored == "\(repository) v1 true")
        }
    }

    @Test(arguments: ["push-layer", "pull"])
    func `what is no push of a manifest is answered and not written down`(name: String) async throws {
        try await DoorsFixture.withDoors(configuration) { (doors) async throws in
            let answer = try await doors.deliver(delivery(name))
            #expect(answer.status == 202)
            #expect(
                String(decoding: answer.body, as: UTF8.self) == #"{"accepted":0,"ignored":1,"known":0,"refused":0}"#)
            #expect(try await doors.events() == 0)
            #expect(try await doors.queue.jobCount() == 0)
        }
    }
}
