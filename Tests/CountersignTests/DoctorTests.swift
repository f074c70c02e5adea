import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// The doctor on real parts: a Sigstore, a registry and a database, with no daemon running.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DoctorTests {
    @Test func `with everything in place nothing fails, and whom to pin is said`() async throws {
        let patient = try await DoctorPatient()
        let findings = await patient.findings { $0.issuesCertificate = true }
        #expect(findings.filter { $0.verdict == .failed }.map(\.observed) == [])
        let checks = Set(findings.map(\.check))
        for check in [
            "trust material", "trust freshness", "identity token", "identity name", "certificate", "log rekor",
            "publicity",
            "clock database", "database", "database server", "database tls", "webhook main",
            "push registry.example/\(patient.line.repository.name)",
            "referrers registry.example/\(patient.line.repository.name)",
        ] {
            #expect(checks.contains(check), "\(check) in \(checks.sorted())")
        }
        let name = try #require(findings.first { $0.check == "identity name" })
        #expect(
            name.facts["subject_alternative_name"] == patient.configuration.sigstore.identity.subjectAlternativeName)
        #expect(name.facts["challenge_claim"] == "sub")
        // the test's cluster is fast and forgetful, and says so
        #expect(findings.first { $0.check == "database server" }?.verdict == .warning)
        let token = try String(contentsOfFile: patient.line.tokenFile, encoding: .utf8)
        let json = String(decoding: try JSONEncoder().encode(findings), as: UTF8.self)
        for part in token.split(separator: ".") { #expect(!json.contains(part)) }
    }

    @Test func `without being asked no certificate is taken`() async throws {
        let patient = try await DoctorPatient()
        let findings = await patient.findings()
        #expect(!findings.contains { $0.check == "certificate" })
        #expect(findings.allSatisfy { $0.verdict != .failed })
        func asked() -> [FaultRelay.Request] { patient.line.fulcio.requests.filter { $0.method != "GET" } }
        #expect(asked() == [])
        let issued = await patient.findings { $0.issuesCertificate = true }
        #expect(issued.first { $0.check == "certificate" }?.verdict == .ok && asked().count == 1)
    }

    @Test func `each fault has a name, a check and a fix`() async throws {
        var patient = try await DoctorPatient()
        let good = patient.configuration
        func expect(_ code: String, at check: String, _ change: (inout Configuration) throws -> Void) async throws {
            patient.configuration = good
            try change(&patient.configuration)
            let finding = try await patient.finding(check)
            #expect(finding.verdict == .failed && finding.code == code, "\(check): \(finding)")
            #expect(finding.fix?.isEmpty == false)
        }
        try await expect("identity.mismatch", at: "identity name") {
            $0.sigstore.identity.subjectAlternativeName = "https://kubernetes.io/namespaces/ci/serviceaccounts/other"
        }
        try await expect("identity.issuer", at: "identity token") {
            $0.sigstore.identity.issuer = "https://other.example"
        }
        try await expect("identity.audience", at: "identity token") { $0.sigstore.identity.audience = "other" }
        try await expect("identity.token_missing", at: "identity token") {
            $0.sigstore.identity.proof = .token(.file("/nonexistent/token"))
        }
        try await expect("identity.program", at: "identity token") {
            $0.sigstore.identity.proof = .token(
                .init(ProgramTokens(program: .init(command: ["/bin/sh", "-c", "exit 3"]))))
        }
        try await expect("identity.key", at: "key") {
            $0.sigstore.identity.proof = .key(.init(file: "/nonexistent/key"))
        }
        try await expect("trust.unreadable", at: "trust material") {
            $0.sigstore.trust = .files(trustedRoot: "/nonexistent/root.json", signingConfig: nil)
        }
        try await expect("trust.lab", at: "trust material") { $0.environment = .production }
        try await expect("rekor.unavailable", at: "log rekor") { $0.sigstore.rekor?.url = "http://127.0.0.1:1" }
        try await expect("postgres.unavailable", at: "database") {
            $0.database.url = Secret("postgresql://postgres@127.0.0.1:1/none?sslmode=disable")
        }
        try await expect("registry.unavailable", at: "registry") {
            $0.registries[0].upstream.url = "http://127.0.0.1:1"
        }
    }

    @Test func `the right to delete is tried on a digest that nothing has`() async throws {
        var patient = try await DoctorPatient()
        #expect(await !patient.findings().contains { $0.check.hasPrefix("deletion") })
        #expect(!patient.line.registry.requests.contains { $0.method == "DELETE" && $0.path.contains("/manifests/") })
        patient.configuration.registries[0].deletion = .basic(username: "remover", password: Secret("long enough"))
        #expect(try await patient.finding("deletion").verdict == .ok)
        for (status, code) in [(405, "registry.deletion_unsupported"), (403, "registry.deletion_refused")] {
            patient.line.registry.next(.answered(status)) { $0.method == "DELETE" && $0.path.contains("/manifests/") }
            let finding = try await patient.finding("deletion")
            #expect(finding.verdict == .failed && finding.code == code && finding.fix?.isEmpty == false, "\(finding)")
        }
    }

    @Test func `a clock that tells no time is told of, and is no failure`() async throws {
        var patient = try await DoctorPatient()
        let timeless = try LoopbackServer { _ in .answer(404) }
        defer { timeless.stop() }
        for (url, why) in [(timeless.url, "answers 404 without a Date"), ("http://127.0.0.1:1", "cannot be reached")] {
            patient.configuration.sigstore.fulcio?.url = url
            let finding = try await patient.finding("clock fulcio")
            #expect(finding.verdict == .warning && finding.observed.contains(why), "\(finding)")
            #expect(finding.fix?.isEmpty == false)
        }
    }

    @Test func `trust material of another instance is noticed at its log and its timestamps`() async throws {
        var patient = try await DoctorPatient()
        let other = packageRoot + "/Tests/SigstoreTests/Fixtures/recorded/trusted_root.json"
        patient.configuration.sigstore.trust = .files(trustedRoot: other, signingConfig: nil)
        let findings = await patient.findings { $0.issuesCertificate = true }
        let codes = findings.compactMap { $0.verdict == .failed ? $0.code : nil }
        #expect(Set(codes) == ["verify.checkpoint", "verify.timestamp", "verify.chain"])
    }

    @Test func `a log of tiles that a signing configuration names is read, and its checkpoint verified`() async throws {
        var patient = try await DoctorPatient()
        let url = try await patient.line.lab.endpoints.rekor2
        func signingConfig(_ url: String) throws -> String {
            try patient.folder.write(
                """
                {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogUrls":[{"url":"\(url)",\
                "majorApiVersion":2,"operator":"lab","validFor":{"start":"2020-01-01T00:00:00Z"}}],\
                "rekorTlogConfig":{"selector":"ANY"}}
                """, to: "signing_config.json")
        }
        let root = try patient.trustedRoot()
        patient.configuration.sigstore.rekor = nil
        let tsa = try #require(patient.configuration.sigstore.timestampAuthority)
        patient.configuration.sigstore.upstreams = tsa
        patient.configuration.sigstore.trust = .files(trustedRoot: root, signingConfig: try signingConfig(url))
        let finding = try await patient.finding("log")
        #expect(finding.verdict == .ok, "\(finding)")
        #expect(finding.observed.contains("Rekor v2"))
        // its witnesses are those of its host: this one has cosigned nothing
        let key = "witness.example.com+94947cf1+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
        let witnesses = [try Witness(verifierKey: key)]
        patient.configuration.sigstore.witnesses = [.init(logs: [try Glob("127.*")], keys: witnesses, quorum: 1)]
        let unwitnessed = try await patient.finding("log")
        #expect(unwitnessed.verdict == .failed && unwitnessed.code == "rekor.unwitnessed", "\(unwitnessed)")
        #expect(unwitnessed.fix?.isEmpty == false)
        patient.configuration.sigstore.witnesses[0].quorum = 0
        #expect(try await patient.finding("log").observed.contains("cosigned by nobody"))
        // a server whose tiles are elsewhere
        _ = try signingConfig(patient.line.tsa.url)
        let elsewhere = try await patient.finding("log")
        #expect(elsewhere.verdict == .failed && elsewhere.observed.contains("tiles_url"))
    }

    @Test func `a timestamp authority that the trust material has retired is none`() async throws {
        var patient = try await DoctorPatient()
        let root = try String(contentsOfFile: patient.trustedRoot(), encoding: .utf8)
        let retired = root.replacing(
            /"start":"[^"]*"/, with: #""start":"2020-01-01T00:00:00Z","end":"2021-01-01T00:00:00Z""#)
        patient.configuration.sigstore.trust = .files(
            trustedRoot: try patient.folder.write(retired, to: "retired.json"), signingConfig: nil)
        let finding = try await patient.finding("timestamp authority")
        #expect(finding.verdict == .failed && finding.code == "verify.timestamp", "\(finding)")
        #expect(finding.observed.contains("outside the trust material's validity"))
        let log = try await patient.finding("log")
        #expect(log.verdict == .failed && log.observed.contains("retired"), "\(log)")
    }

    @Test func `where signatures are kept elsewhere, push is tried there, and images are only pulled`() async throws {
        var patient = try await DoctorPatient()
        let image = patient.line.repository.name
        let place = image + "-signatures"
        let registry = SigningLine.registryName
        patient.configuration.registries[0].signatureRepository = "\(registry)/\(place)"
        patient.configuration.registries[0].deletion = .basic(username: "remover", password: Secret("long enough"))
        func checks(_ findings: [DoctorFinding]) -> Set<String> {
            Set(findings.map(\.check).filter { $0.hasSuffix(image) || $0.hasSuffix(place) })
        }
        let findings = await patient.findings { $0.writes = true }
        #expect(findings.filter { $0.verdict == .failed }.map(\.observed) == [])
        #expect(
            checks(findings)
                == [
                    "pull \(registry)/\(image)", "push \(registry)/\(place)", "referrers \(registry)/\(place)",
                    "tags \(registry)/\(place)", "deletion \(registry)/\(place)",
                ])
        let writes = patient.line.registry.requests.filter(\.isWrite)
        #expect(!writes.isEmpty && writes.allSatisfy { $0.path.hasPrefix("/v2/\(place)/") })

        // pull alone may be missing, or push
        patient.line.registry.next(.answered(403)) { $0.path.hasPrefix("/v2/\(image)/manifests/") }
        let unreadable = try await patient.finding("pull \(registry)/\(image)")
        #expect(unreadable.verdict == .failed && unreadable.code == "registry.forbidden", "\(unreadable)")
        patient.line.registry.next(.answered(403)) { $0.isWrite && $0.path.hasPrefix("/v2/\(place)/blobs/") }
        let readOnly = try await patient.finding("push \(registry)/\(place)")
        #expect(readOnly.verdict == .failed && readOnly.code == "registry.forbidden", "\(readOnly)")

        // the place is known also where the images are not
        patient.configuration.endpoints[0].repositories = [try Glob("team-**")]
        let patterns = await patient.findings()
        #expect(patterns.first { $0.check == "push \(registry)/\(place)" }?.verdict == .ok)
        #expect(patterns.first { $0.check == "registry \(registry) pull" }?.verdict == .warning)
    }

    @Test func `a managed key is shown with its hint and what clients make of it`() async throws {
        var patient = try await DoctorPatient()
        let keys = packageRoot + "/Tests/SigstoreTests/Fixtures/keys/"
        patient.configuration.sigstore.identity.proof = .key(
            .init(file: keys + "cosign.key", password: Secret("correct horse")))
        let good = try await patient.finding("key")
        #expect(good.verdict == .ok && good.facts["hint"]?.isEmpty == false)
        patient.configuration.sigstore.identity.proof = .key(.init(file: keys + "p384.pem"))
        #expect(try await patient.finding("key").verdict == .warning)
    }

    @Test func `it is told that nobody looks for what others sign as us`() async throws {
        var patient = try await DoctorPatient()
        let off = try await patient.finding("identity monitor")
        #expect(off.verdict == .warning && off.fix?.contains("reconcile.identity_monitor.enabled") == true, "\(off)")
        patient.configuration.reconcile.identityMonitor.isEnabled = true
        #expect(try await patient.finding("identity monitor").verdict == .ok)
    }

    @Test func `webhook secrets are judged`() async throws {
        var patient = try await DoctorPatient()
        func verdict(_ change: (inout EndpointConfiguration) -> Void) async throws -> DoctorFinding.Verdict {
            let before = patient.configuration.endpoints[0]
            defer { patient.configuration.endpoints[0] = before }
            change(&patient.configuration.endpoints[0])
            return try await patient.finding("webhook main").verdict
        }
        #expect(try await verdict { _ in } == .ok)
        #expect(try await verdict { $0.secrets = [] } == .failed)
        #expect(try await verdict { $0.secrets = [Secret("Bearer short")] } == .warning)
        #expect(try await verdict { $0.secrets = [Secret("0123456789abcdef-without-a-scheme")] } == .warning)
        #expect(try await verdict { $0.secrets.append(Secret("Bearer the-previous-one-0123456789")) } == .warning)
        #expect(try await verdict { $0.trustHost = false } == .warning)
        var second = patient.configuration.endpoints[0]
        second.name = "second"
        patient.configuration.endpoints.append(second)
        #expect(try await verdict { _ in } == .warning)
    }
}

@Suite struct ClockReadingTests {
    @Test(arguments: [
        // ahead of the reading, how long the exchange took, how coarse the other clock is, verdict
        (0.0, 0.1, 1.0, "ok"), (-0.9, 0.1, 1.0, "ok"), (3.0, 0.1, 1.0, "ok"), (7.0, 0.1, 1.0, "warning"),
        (-30.0, 0.1, 1.0, "warning"), (61.5, 0.1, 1.0, "failed"), (-3600.0, 0.1, 1.0, "failed"),
        (20.0, 20.0, 1.0, "ok"),
    ])
    func `another clock is judged by what the readings prove`(
        ahead: Double, took: Double, resolution: Double, verdict: String
    ) {
        let start = Date(timeIntervalSince1970: 1_000_000)
        let reading = ClockReading(
            name: "x", time: start.addingTimeInterval(ahead), from: start, to: start.addingTimeInterval(took),
            resolution: resolution)
        #expect(DoctorFinding("clock", reading.seen(prefix: "")).verdict.rawValue == verdict)
    }
}
