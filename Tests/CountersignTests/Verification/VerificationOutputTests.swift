import FoundationEssentials
import OCI
import Sigstore
import StrictJSON
import Support
import Testing

@testable import Countersign

/// The forms in which a verification is printed, over what cosign pushed and what it printed itself.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct VerificationOutputTests {
    @Test(arguments: [
        "keyless-new-rekor1", "keyless-new-rekor2-tsa", "keyless-old-rekor1", "keyless-old-rekor1-tsa",
        "key-new-rekor1", "key-old-rekor1", "key-old-notlog", "keyless-new-twice-and-annotations",
    ])
    func `the cosign form is what cosign verify printed, byte for byte`(_ name: String) async throws {
        let recorded = try RecordedReference(name)
        let report = try await recorded.report()
        // one of the recordings also has a signature by somebody else
        #expect(report.rejected.allSatisfy { $0.code == "verify.identity" })
        #expect(String(decoding: CosignOutput.signatures(report), as: UTF8.self) == recorded.printed)
    }

    @Test(arguments: [
        "attest-new-openvex", "attest-new-spdxjson-rekor1", "attest-old-openvex", "attest-old-custom",
    ])
    func `the cosign form of attestations is what cosign verify-attestation printed`(_ name: String) async throws {
        let recorded = try RecordedReference(name)
        let report = try await recorded.report()
        #expect(report.rejected.isEmpty)
        #expect(String(decoding: CosignOutput.attestations(report), as: UTF8.self) == recorded.printed)
        // and none of them is a signature
        let asSignature = try await recorded.report { $0.predicateType = Statement.cosignSignPredicateType }
        #expect(!asSignature.isVerified)
    }

    /// A certificate, a key, an attestation.
    @Test(arguments: ["keyless-old-rekor1-tsa", "key-new-rekor1", "attest-new-openvex"])
    func `the policy form is the document that policies were written for, byte for byte`(_ name: String) async throws {
        let report = try await RecordedReference(name).report()
        let path = "\(RecordedReference.folder)/\(name).policy.json"
        #expect(
            try String(decoding: PolicyOutput.document(report), as: UTF8.self)
                == String(contentsOfFile: path, encoding: .utf8))
    }

    @Test func `the cosign form escapes what Go escapes, and sorts what Go sorts`() throws {
        let text = #"{"z":"<a & b>","a":"line \#u{2028} end"}"#
        let value = try JSONValue(parsing: Array(text.utf8))
        let out = CosignOutput.goText([.object(["critical": .null, "optional": value])])
        #expect(
            String(decoding: out, as: UTF8.self)
                == #"[{"critical":null,"optional":{"a":"line \u2028 end","z":"\u003ca \u0026 b\u003e"}}]"#)
    }

    @Test func `trust material that had expired is told in the machines' forms, and else not`() async throws {
        var report = try await RecordedReference("keyless-old-rekor1").report()
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        func told() throws -> [JSONValue?] {
            [
                try JSONValue(parsing: Array(encoder.encode(VerificationAnswer(report))))["trust_expiry"],
                try JSONValue(parsing: PolicyOutput.document(report))["image"]?["trust_expiry"],
            ]
        }
        #expect(try told() == [nil, nil])
        let role = TrustRole(
            name: "timestamp", version: 3, expires: Date(timeIntervalSince1970: 1_795_461_613), threshold: 1, keyIDs: []
        )
        report.trustExpiry = TrustExpiry(origin: "https://tuf.example", role)
        for expiry in try told() {
            #expect(expiry?["origin"]?.text == "https://tuf.example")
            #expect(expiry?["role"]?.text == "timestamp" && expiry?["expired_at"]?.text == "2026-11-23T19:20:13Z")
        }
        #expect(report.isVerified)
    }

    @Test func `a policy finds image, signer, issuer and log index where it looks for them`() async throws {
        let report = try await RecordedReference("keyless-old-rekor1").report()
        let input = try JSONValue(parsing: PolicyOutput.document(report))
        #expect(input["image"]?["name"]?.text == report.reference.description)
        #expect(input["image"]?["digest"]?.text == report.digest.description)
        let signature = try #require(input["image"]?["signatures"]?.elements.first)
        let certificate = try #require(signature["certificate"])
        #expect(
            certificate["subject"]?["email"]?.text == "https://kubernetes.io/namespaces/ci/serviceaccounts/signer")
        #expect(certificate["issuer"]?.text == "http://127.0.0.1:47050/k8s")
        #expect(certificate["extensions"]?["issuer_v2"]?.text == "http://127.0.0.1:47050/k8s")
        #expect(signature["log"]?["index"]?.integer == 2)
        #expect(signature["log"]?["integrated_time"]?.integer == 1_795_461_613)
        #expect(signature["predicate_type"]?.text == Statement.cosignSignPredicateType)
        #expect(signature["verified"] == .bool(true))
    }

    @Test func `an index and a time that nothing proves are not told`() throws {
        let folder = packageRoot + "/Tests/SigstoreTests/Fixtures/recorded"
        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
        }
        let bundle = try UnverifiedBundle(json: bytes("rekor1-tsa/bundle.sigstore.json"))
        var entry = try #require(bundle.tlogEntries.first)
        (entry.inclusionPromise, entry.logIndex) = (nil, 424242)
        let verified = try Verifier(root: TrustedRoot(json: bytes("trusted_root.json"))).verify(
            UnverifiedBundle(bundle.content, bundle.material, [entry], timestamps: bundle.timestamps),
            artifact: ArtifactDigest("sha256:a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9"),
            identity: CertificateIdentity(
                subjectAlternativeName: .exact("https://kubernetes.io/namespaces/ci/serviceaccounts/signer"),
                issuer: .exact("http://127.0.0.1:47050/k8s")))
        let signed = Signed(verified)
        #expect(signed.tlog != nil && signed.signedAt != nil)
        #expect(signed.tlog?.index == nil && signed.tlog?.integratedAt == nil)
        #expect(!signed.lines.contains { $0.contains("424242") || $0.contains("log index") })
    }

    @Test func `a policy sees an image that nobody signed as expected with an empty list`() async throws {
        let report = try await RecordedReference("keyless-new-rekor1").report {
            $0.signer = .certificate(
                try CertificateIdentity(subjectAlternativeName: .exact("somebody"), issuer: .exact("else")))
        }
        #expect(!report.isVerified && report.rejected.map(\.code) == ["verify.identity"])
        let input = try JSONValue(parsing: PolicyOutput.document(report))
        #expect(input["image"]?["signatures"]?.elements == [])
    }

    @Test func `what was withdrawn does not verify, and every form says so`() async throws {
        var report = try await RecordedReference("keyless-new-rekor1").report()
        #expect(report.isVerified)
        report.revocation = .init(reason: "leaked build", revokedBy: "ops", revokedAt: "2026-11-28T10:00:00Z")
        #expect(!report.isVerified)
        let input = try JSONValue(parsing: PolicyOutput.document(report))
        #expect(input["image"]?["signatures"]?.elements == [])
        #expect(input["image"]?["revocation"]?["reason"]?.text == "leaked build")
        #expect(input["image"]?["revocation"]?["revoked_by"]?.text == "ops")
        let answer = VerificationAnswer(report)
        #expect(!answer.verified && answer.revocation?.revokedAt == "2026-11-28T10:00:00Z")
        #expect(answer.text.hasPrefix("NOT VERIFIED"))
        #expect(answer.text.contains("REVOKED   2026-11-28T10:00:00Z by ops: leaked build"))
    }

    @Test func `a key has no certificate that a rule could match`() async throws {
        let report = try await RecordedReference("key-old-notlog").report()
        let input = try JSONValue(parsing: PolicyOutput.document(report))
        let signature = try #require(input["image"]?["signatures"]?.elements.first)
        #expect(signature["certificate"] == nil && signature["log"] == nil)
        #expect(signature["key"]?["sha256"]?.text?.count == 64)
    }

    @Test func `a policy reads the predicate of an attestation`() async throws {
        let report = try await RecordedReference("attest-old-openvex").report()
        let input = try JSONValue(parsing: PolicyOutput.document(report))
        let signature = try #require(input["image"]?["signatures"]?.elements.first)
        #expect(signature["predicate"]?["@id"]?.text == "https://example.com/vex-1")
    }

    @Test func `annotations that are asked for must be on the signature`() async throws {
        let recorded = try RecordedReference("keyless-new-twice-and-annotations")
        let found = try await recorded.report { $0.annotations = ["env": "prod"] }
        #expect(found.signatures.count == 1)
        #expect(found.signatures.first?.verified.annotations == ["build": "42", "env": "prod"])
        #expect(Set(found.rejected.map(\.code)) == ["verify.annotation", "verify.identity"])
        let other = try await recorded.report { $0.annotations = ["env": "prod", "build": "43"] }
        #expect(!other.isVerified)
    }

    @Test func `our own form says where each was found, who signed, and every check with its clause`() async throws {
        let report = try await RecordedReference("keyless-old-rekor1-tsa").report()
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        let answer = VerificationAnswer(report)
        let json = try JSONValue(parsing: [UInt8](encoder.encode(answer)))
        #expect(json["verified"] == .bool(true))
        let signature = try #require(json["signatures"]?.elements.first)
        #expect(signature["format"]?.text == "legacy")
        #expect(signature["tag"]?.text == "sha256-\(report.digest.hex).sig")
        #expect(signature["manifest"]?.text?.hasPrefix("sha256:") == true)
        #expect(signature["identity"]?.text == "https://kubernetes.io/namespaces/ci/serviceaccounts/signer")
        #expect(signature["tlog"]?["index"]?.integer == 3)
        #expect(signature["times"]?.elements.compactMap { $0["kind"]?.text } == ["timestamp", "log"])
        let clauses = Set(signature["checks"]?.elements.compactMap { $0["clause"]?.text } ?? [])
        #expect(clauses.isSuperset(of: ["4.2.1", "4.2.2", "4.3", "4.4", "4.5"]))
        #expect(answer.text.contains("found     legacy 127.0.0.1:47100/cap/old-rekor1-tsa:sha256-"))
        #expect(answer.text.hasPrefix("verified  "))
    }

    @Test func `a refusal tells what was seen and what to do`() async throws {
        let report = try await RecordedReference("keyless-new-rekor1").report {
            $0.signer = .certificate(
                try CertificateIdentity(
                    subjectAlternativeName: .exact("https://kubernetes.io/namespaces/ci/serviceaccounts/signer"),
                    issuer: .exact("https://other.example")))
        }
        let text = VerificationAnswer(report).text
        #expect(text.hasPrefix("NOT VERIFIED  "))
        #expect(text.contains("[verify.issuer]") && text.contains("fix: compare the expected identity and issuer"))
    }
}

extension JSONValue {
    /// The elements of an array; none of everything else.
    var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
}
