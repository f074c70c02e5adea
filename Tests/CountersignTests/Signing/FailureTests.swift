import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Whatever fails, the job waits under a name an operator can act on, and is signed once the cause is gone.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct FailureTests {
    /// One cause, and what is shown while it lasts.
    struct Cause: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: String
        let stage: SigningStage
        let begin: @Sendable (SigningLine) async throws -> Void

        init(
            _ description: String, _ code: String, _ stage: SigningStage,
            _ begin: @escaping @Sendable (SigningLine) async throws -> Void
        ) { (testDescription, self.code, self.stage, self.begin) = (description, code, stage, begin) }
    }

    static let causes: [Cause] = [
        Cause("the registry is down", "registry.unavailable", .fetch) { $0.registry.next(.lost, times: 99) },
        Cause("the registry answers 503", "registry.unavailable", .fetch) {
            $0.registry.next(.answered(503), times: 99)
        },
        Cause("the registry throttles", "registry.throttled", .fetch) {
            $0.registry.next(.answered(429, headers: [("Retry-After", "1")]), times: 99)
        },
        Cause("the registry refuses us", "registry.unauthorized", .fetch) {
            $0.registry.next(
                .answered(401, headers: [("WWW-Authenticate", #"Basic realm="test""#)]), times: 99)
        },
        Cause("the registry takes no pushes", "registry.forbidden", .publish) {
            $0.registry.next(.answered(403), times: 99) { $0.isWrite }
        },
        Cause("the registry goes down before the push", "registry.unavailable", .publish) {
            $0.registry.next(.lost, times: 99) { $0.isWrite }
        },
        Cause("the token file is missing", "identity.token_missing", .certificate) {
            try FileManager.default.removeItem(atPath: $0.tokenFile)
        },
        Cause("the token file holds no token", "identity.token_malformed", .certificate) {
            try $0.folder.write("token", to: "token")
        },
        Cause("the token has expired", "identity.token_expired", .certificate) {
            try await $0.useToken(lifetime: .seconds(-60))
        },
        Cause("the token is for another audience", "identity.audience", .certificate) {
            try await $0.useToken(audience: "somebody")
        },
        Cause("the token is somebody else's", "identity.mismatch", .certificate) {
            try await $0.useToken(subject: "system:serviceaccount:ci:other")
        },
        Cause("Fulcio is down", "fulcio.unavailable", .certificate) { $0.fulcio.next(.lost, times: 99) },
        Cause("Fulcio answers 500", "fulcio.unavailable", .certificate) { $0.fulcio.next(.answered(500), times: 99) },
        Cause("Fulcio throttles", "fulcio.throttled", .certificate) {
            $0.fulcio.next(.answered(429, headers: [("Retry-After", "1")]), times: 99)
        },
        Cause("Fulcio answers nonsense", "fulcio.bad_answer", .certificate) {
            $0.fulcio.next(.answered(200, body: "{}"), times: 99)
        },
        Cause("the timestamp authority refuses", "tsa.refused", .timestamp) { $0.tsa.next(.answered(400), times: 99) },
        Cause("the timestamp authority is down", "tsa.unavailable", .timestamp) { $0.tsa.next(.lost, times: 99) },
        Cause("the log is down", "rekor.unavailable", .log) { $0.rekor.next(.lost, times: 99) },
        Cause("the log refuses", "rekor.refused", .log) { $0.rekor.next(.answered(400), times: 99) },
        Cause("the log throttles", "rekor.throttled", .log) {
            $0.rekor.next(.answered(429, headers: [("Retry-After", "1")]), times: 99)
        },
        Cause("the log takes it and the answer is lost", "rekor.unavailable", .log) {
            $0.rekor.next(.answerLost, times: 99)
        },
    ]

    @Test(arguments: causes)
    func `a failure waits under its name and is signed when its cause is gone`(_ cause: Cause) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await cause.begin(line)
        // longer than any count of attempts: a fault of an upstream never ends a job
        try await daemon.workOff(atMost: 6)

        #expect(try await line.state(digest) == "waiting")
        let failure = try #require(try await line.failure(digest))
        #expect(failure.code == cause.code)
        #expect(failure.stage == cause.stage.rawValue)
        #expect(!failure.observed.isEmpty)
        #expect(!failure.fix.isEmpty)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.dead_letter") == 0)
        #expect(try await line.referrers(of: digest).isEmpty)

        for relay in [line.registry, line.fulcio, line.rekor, line.tsa] { relay.heal() }
        try await line.useToken()
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        #expect(try await line.failure(digest) == nil)
    }

    @Test func `a token of somebody else signs, logs and publishes nothing`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.useToken(subject: "system:serviceaccount:ci:other")
        try await line.daemon().workOff(atMost: 3)
        #expect(try await line.failure(digest)?.code == "identity.mismatch")
        try await line.expectNothingPublic(digest)
        #expect(try await line.evidenceRows(of: digest) == (0, 0))
        #expect(line.rekor.requests.isEmpty)
        #expect(line.registry.writes == 0)
    }

    @Test func `an unknown registry is refused and never dialled`() async throws {
        let line = try await SigningLine()
        let digest = sampleDigest(line.repository.name)
        var request = samplePush(digest, repository: line.repository.name)
        request.registry = "elsewhere.example"
        try await line.database.push(request)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "refused")
        #expect(try await line.database.errorCode(digest) == "registry.unknown")
        #expect(line.registry.requests.isEmpty)
    }

    @Test func `a tag of an unknown registry ends as well, with a dead letter to show it`() async throws {
        let line = try await SigningLine()
        var request = samplePush(nil, tag: "latest", repository: line.repository.name)
        request.registry = "elsewhere.example"
        try await line.database.push(request)
        try await line.daemon().workOff()
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.database.records.deadLetters().items.map(\.error.code) == ["registry.unknown"])
        #expect(line.registry.requests.isEmpty)
    }
}
