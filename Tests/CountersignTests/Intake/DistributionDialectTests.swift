import FoundationEssentials
import OCI
import StrictJSON
import Support
import Testing

@testable import Countersign

/// The recorded and documented deliveries of CNCF distribution, against the verdicts written beside them.
@Suite struct DistributionDialectTests {
    @Test(
        .enabled(if: Shared.exists, "the recorded material is not here (../shared)"),
        arguments: Shared.cases("webhooks/distribution"))
    func `each sample has its events, in order, with the expected verdict`(name: String) throws {
        let delivery = Delivery(body: Shared.bytes("webhooks/distribution/\(name).json"))
        let expected = try #require(
            JSONValue(parsing: Shared.bytes("webhooks/distribution/\(name).expect.json"))["events"])
        guard case .array(let cases) = expected else {
            Issue.record("the expected events are no list")
            return
        }
        let events = try DistributionDialect().events(in: delivery)
        #expect(events.count == cases.count)
        for (received, wanted) in zip(events, cases) {
            let verdict = verdict(received, speakingFor: wanted["registry"]?.text ?? "")
            switch wanted["action"]?.text {
            case "sign":
                guard case .sign(let repository, let digest, _) = verdict else {
                    Issue.record("\(verdict) instead of a signature")
                    continue
                }
                #expect(repository.name == wanted["repository"]?.text)
                #expect(digest.description == wanted["digest"]?.text)
            case "resolve":
                guard case .resolve = verdict else {
                    Issue.record("\(verdict) instead of a look at the tag")
                    continue
                }
            default:
                // What is no push of a manifest is ignored; a push that names nothing to sign is refused, and so seen.
                guard verdict.label != "sign", verdict.label != "resolve" else {
                    Issue.record("\(verdict) instead of nothing: \(wanted["reason"]?.text ?? "")")
                    continue
                }
            }
            if case .push(let push) = received, wanted["action"]?.text == "sign" {
                #expect(push.tag == wanted["tag"]?.text)
                #expect(push.id == wanted["eventId"]?.text)
                #expect(push.mediaType == wanted["mediaType"]?.text)
            }
        }
    }

    @Test(.enabled(if: Shared.exists, "the recorded material is not here (../shared)"))
    func `a registry's own traffic gives one verdict for each pushed manifest`()
        throws
    {
        var counts: [String: Int] = [:]
        for body in Shared.bodies("vectors/webhook-distribution") {
            for received in try DistributionDialect().events(in: Delivery(body: body)) {
                counts[verdict(received, speakingFor: "127.0.0.1:47000").label, default: 0] += 1
            }
        }
        // Manifests of 01, 02, 03, 04 (4), 05, 06, 07, 09, 10, 12; the fallback index of 07 is a signer's
        #expect(counts["sign"] == 13)
        #expect(counts["signer_tag"] == 1)
        #expect(counts["refused"] == nil)
        #expect((counts["action"] ?? 0) > 20)
    }

    @Test(.enabled(if: Shared.exists, "the recorded material is not here (../shared)"))
    func `what cosign pushes is never signed, what others push is`() throws {
        var signed: [String] = []
        for body in Shared.bodies("vectors/webhook-cosign-pushes") {
            for received in try DistributionDialect().events(in: Delivery(body: body)) {
                guard case .push(let push) = received else { continue }
                let verdict = verdict(received, speakingFor: push.registryHost ?? "")
                let isCosigns = push.userAgent?.hasPrefix("cosign/") == true
                if isCosigns {
                    guard case .ignored = verdict else {
                        Issue.record("\(verdict) for a push of cosign: \(push)")
                        continue
                    }
                } else if case .sign = verdict {
                    signed.append(push.repository ?? "")
                }
            }
        }
        #expect(signed.count == 9)
    }

    @Test(arguments: [
        ("[]", "the body is not a JSON object"), ("\"x\"", "the body is not a JSON object"),
        ("7", "the body is not a JSON object"),
        (#"{"events": {}}"#, "'events' is not a list"), (#"{"events": "x"}"#, "'events' is not a list"),
    ]) func `a body that is no envelope is malformed`(text: String, reason: String) throws {
        let delivery = Delivery(body: Array(text.utf8))
        #expect(throws: IntakeError.malformed(reason)) { try DistributionDialect().events(in: delivery) }
    }

    @Test(arguments: ["{}", #"{"events": null}"#, #"{"events": []}"#])
    func `an envelope without events is taken, and described`(text: String) throws {
        let (dialect, body) = (DistributionDialect(), Array(text.utf8))
        #expect(try dialect.events(in: Delivery(body: body)).isEmpty)
        let described = JSONValue.object(dialect.bodySchema.json)
        #expect(SchemaCheck(document: described).faults(try JSONValue(parsing: body), described) == [])
    }

    @Test(arguments: [
        ("{}", IgnoredReason.incomplete), ("[]", .incomplete), ("null", .incomplete), (#"{"action": 1}"#, .incomplete),
        (#"{"action": "pull"}"#, .action), (#"{"action": "push"}"#, .notAManifest),
        (#"{"action": "push", "target": {"mediaType": "application/octet-stream"}}"#, .notAManifest),
    ]) func `what is wrong with one event does not refuse the delivery`(event: String, reason: IgnoredReason) throws {
        let delivery = Delivery(body: Array(#"{"events": [\#(event)]}"#.utf8))
        #expect(try DistributionDialect().events(in: delivery) == [.ignored(reason)])
    }

    @Test(arguments: [
        (#""mediaType": "application/vnd.oci.image.manifest.v1+json""#, "the event names no repository"),
        (
            #""mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": "a""#,
            "the event names neither a valid digest nor a tag"
        ),
        (
            #""mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws", "repository": "a", "tag": "v1""#,
            "Docker schema 1: its digest does not name its bytes; push it as schema 2 or OCI"
        ),
    ]) func `a pushed manifest that cannot be signed is refused with the reason`(target: String, reason: String) throws
    {
        let event = #"{"action": "push", "request": {"host": "r.example.com"}, "target": {\#(target)}}"#
        let delivery = Delivery(body: Array(#"{"events": [\#(event)]}"#.utf8))
        let received = try #require(try DistributionDialect().events(in: delivery).first)
        #expect(
            verdict(received, speakingFor: "r.example.com") == .refused(registry: "r.example.com", reason: reason))
    }

    private func verdict(_ received: ReceivedEvent, speakingFor host: String) -> EventVerdict {
        switch received {
        case .ignored(let reason): .ignored(reason)
        case .push(let push): rules(registry: host).verdict(on: push)
        }
    }

    private func rules(registry: String) -> EndpointRules {
        var endpoint = EndpointConfiguration(name: "main", registry: registry, secrets: [])
        endpoint.repositories = [glob("**")]
        return EndpointRules(
            endpoint: endpoint, registry: .init(name: registry, upstream: .init(url: "http://\(registry)")),
            policy: SigningPolicy(rules: [.all], registries: [registry]))
    }
}

extension SigningPolicy {
    /// With endpoints that list everything of these registries.
    init(rules: [PolicyConfiguration.Rule], registries: [String]) {
        let endpoints = registries.map { registry in
            var endpoint = EndpointConfiguration(name: "any", registry: registry, secrets: [])
            endpoint.repositories = [glob("**")]
            return endpoint
        }
        self.init(PolicyConfiguration(rules: rules), endpoints: endpoints)
    }
}

extension PolicyConfiguration.Rule {
    /// Signs whatever comes, with a tag or without.
    static var all: Self {
        var rule = Self(name: "all", repositories: [glob("**")])
        rule.untagged = .sign
        return rule
    }
}

/// A pattern the test itself wrote.
func glob(_ pattern: String) -> Glob {
    do { return try Glob(pattern) } catch { preconditionFailure("\(pattern): \(error)") }
}

extension EventVerdict {
    var label: String {
        switch self {
        case .sign: "sign"
        case .resolve: "resolve"
        case .ignored(let reason): reason.rawValue
        case .refused: "refused"
        }
    }
}

/// The recorded material beside the project, where it is present.
enum Shared {
    private static let root = packageRoot + "/../shared"

    static var exists: Bool { sharedMaterial("webhooks/INDEX.tsv") != nil }

    static func bytes(_ path: String) -> [UInt8] {
        FileManager.default.contents(atPath: "\(root)/\(path)").map { [UInt8]($0) } ?? []
    }

    static func files(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)")) ?? []).sorted()
    }

    static func cases(_ folder: String) -> [String] {
        files(folder).filter { $0.hasSuffix(".expect.json") }.map { String($0.dropLast(".expect.json".count)) }
    }

    static func bodies(_ folder: String) -> [[UInt8]] {
        files(folder).filter { $0.hasSuffix(".body") }.map { bytes("\(folder)/\($0)") }
    }
}
