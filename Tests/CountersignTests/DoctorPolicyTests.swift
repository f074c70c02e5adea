import Curl
import FoundationEssentials
import OCI
import Sigstore
import SigstoreLab
import Support
import Synchronization
import Testing

@testable import Countersign

/// What the policy asks for, and what doctor does only when it is asked to or finds a daemon.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DoctorPolicyTests {
    @Test func `a rule that the services of now cannot sign fails by its name, and the rest is looked at`() async throws
    {
        var patient = try await DoctorPatient()
        patient.configuration.policy.rules = [
            SigningLine.Setup.rule("plain"), SigningLine.Setup.rule("old", formats: [.bundle, .legacy]),
        ]
        #expect(try await patient.finding("rule old").verdict == .ok)
        // a key of which no log takes a signature by digest
        let keyless = patient.configuration.sigstore.identity
        patient.configuration.sigstore.identity.proof = .key(
            .init(file: packageRoot + "/Tests/SigstoreTests/Fixtures/keys/ed25519.pem"))
        let unfit = try await patient.finding("rule old")
        #expect(unfit.code == "trust.rule_unsignable" && unfit.observed.contains("use a P-256 key"), "\(unfit)")
        #expect(try await patient.finding("rule plain").verdict == .ok)
        patient.configuration.sigstore.identity = keyless
        let root = try patient.trustedRoot()
        func services(_ selector: String) async throws {
            let urls = try await [patient.line.lab.endpoints.rekor2, patient.line.rekor.url]
            let services = urls.enumerated().map { position, url in
                """
                {"url":"\(url)","majorApiVersion":2,"operator":"\(position)","validFor":{"start":"2020-01-01T00:00:00Z"}}
                """
            }
            let config = try patient.folder.write(
                """
                {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",\
                "rekorTlogUrls":[\(services.joined(separator: ","))],"rekorTlogConfig":{"selector":"\(selector)"}}
                """, to: "signing_config.json")
            patient.configuration.sigstore.trust = .files(trustedRoot: root, signingConfig: config)
        }
        patient.configuration.sigstore.rekor = nil
        patient.configuration.sigstore.upstreams = try #require(patient.configuration.sigstore.timestampAuthority)
        try await services("ANY")
        let findings = await patient.findings()
        func finding(_ check: String) throws -> DoctorFinding { try #require(findings.first { $0.check == check }) }
        #expect(try finding("rule plain").verdict == .ok && finding("service selection").verdict == .ok)
        #expect(try finding("rule old").code == "trust.rule_unsignable" && finding("rule old").fix?.isEmpty == false)
        #expect(try finding("identity name").verdict == .ok)

        try await services("ALL")
        let several = try await patient.finding("service selection")
        #expect(several.verdict == .ok && several.observed.contains("2 log entries"), "\(several)")
        // both have the name of their host
        let plain = try await patient.finding("rule plain").observed
        let rekor2 = try await patient.line.lab.endpoints.rekor2
        #expect(plain.contains(" and ") && plain.contains(rekor2) && plain.contains(patient.line.rekor.url), "\(plain)")
    }

    @Test func `every identity that a rule can name is looked at`() async throws {
        var patient = try await DoctorPatient()
        var other = patient.configuration.sigstore.identity
        other.proof = .token(.file("/nonexistent/token"))
        patient.configuration.sigstore.identities = [
            .init(name: "nightly", identity: patient.configuration.sigstore.identity),
            .init(name: "releases", identity: other),
        ]
        let findings = await patient.findings { $0.issuesCertificate = true }
        let failed = findings.filter { $0.verdict == .failed }
        #expect(failed.map(\.check) == ["identity token releases"] && failed.first?.code == "identity.token_missing")
        let checks = Set(findings.map(\.check))
        #expect(
            checks.isSuperset(of: ["identity token", "identity token nightly", "certificate", "certificate nightly"]))
    }

    @Test func `a Fulcio without a CT log is found by its certificate, and accepted where that is meant`() async throws
    {
        try await SigningLine.withAnotherLab { lab in
            lab.faults.set(Fault(.distort(.noSCT)), for: .fulcio)
            var patient = try await DoctorPatient(lab: lab)
            func finding(_ check: String) async -> DoctorFinding? {
                await patient.findings { $0.issuesCertificate = true }.first { $0.check == check }
            }
            let refused = await finding("certificate")
            #expect(refused?.verdict == .failed && refused?.code == "verify.sct")
            #expect(await finding("certificate transparency") == nil)
            patient.configuration.sigstore.certificateTransparency = .none
            #expect(await finding("certificate")?.verdict == .ok)
            #expect(await finding("certificate transparency")?.verdict == .warning)
        }
    }

    @Test func `a scratch tag is put only when that is asked for, and says what stays`() async throws {
        var patient = try await DoctorPatient()
        let name = "\(SigningLine.registryName)/\(patient.line.repository.name)"
        // without a referrers API tags are needed: that they may be written again is not known
        let untried = try await patient.finding("tags \(name)")
        #expect(untried.verdict == .warning && untried.fix?.contains("--write") == true, "\(untried)")
        #expect(!patient.line.registry.requests.contains { $0.isFallbackIndex })
        func finding() async throws -> DoctorFinding {
            try #require(await patient.findings { $0.writes = true }.first { $0.check == "tags \(name)" })
        }
        func served(_ digest: String) async throws -> Bool {
            try await patient.line.pusher.serves(patient.line.repository.name, try Digest(digest))
        }
        let left = try await finding()
        #expect(left.verdict == .ok, "\(left)")
        let digests = try #require(left.facts["left"]).split(separator: " ").map(String.init)
        #expect(digests.count == 2)
        for digest in digests {
            let isServed = try await served(digest)
            #expect(isServed)
        }

        // with the right to delete nothing stays
        patient.configuration.registries[0].deletion = .basic(username: "remover", password: Secret("long enough"))
        let tidy = try await finding()
        #expect(tidy.verdict == .ok && tidy.facts["left"] == nil, "\(tidy)")
        for digest in digests {
            let isServed = try await served(digest)
            #expect(!isServed)
        }

        // immutable tags: the second write is refused, which matters where there is no referrers API
        let seen = Mutex(0)
        patient.line.registry.next(.answered(409, body: #"{"errors":[{"code":"TAG_IMMUTABLE"}]}"#)) { request in
            request.isFallbackIndex
                && seen.withLock {
                    $0 += 1; return $0 == 2
                }
        }
        let immutable = try await finding()
        #expect(immutable.verdict == .failed && immutable.code == "registry.tag_immutable", "\(immutable)")
        #expect(immutable.fix?.contains("sha256-*") == true)
    }

    @Test func `a daemon that listens is sent a delivery without events, and one that does not is not missed`()
        async throws
    {
        try await DoorsFixture.withDoors { doors in
            var configuration = Configuration.doors
            func finding(_ change: (inout Configuration) -> Void = { _ in }) async throws -> DoctorFinding {
                var changed = configuration
                change(&changed)
                let doctor = Doctor(changed, .init(migrations: packageRoot + "/migrations"), http: SigningLine.http)
                return try #require(await doctor.intakeFindings().first { $0.check == "delivery main" })
            }
            #expect(try await finding().observed.contains("not tried"))
            let port = try #require(doors.ports[.webhooks])
            configuration.listeners.webhooks = ListenAddress(host: "0.0.0.0", port: port)
            let taken = try await finding()
            #expect(taken.verdict == .ok && taken.observed.contains("took a delivery"), "\(taken)")
            #expect(try await doors.events() == 0)
            #expect(doors.metrics.deliveries.value("main", "ignored") == 1)
            #expect(doors.metrics.deliveries.value("main", "intake.unauthorized") == 0)

            let other = try await finding { $0.endpoints[0].secrets = [Secret("Bearer another-secret")] }
            #expect(other.verdict == .failed && other.code == "intake.unauthorized")
            configuration.listeners.webhooks = ListenAddress(host: "127.0.0.1", port: 1)
            #expect(try await finding().observed.contains("nothing listens"))
        }
    }
}
