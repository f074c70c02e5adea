import FoundationEssentials
import OCI
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// Trust material and what is judged by it without a registry, through the program.
@Suite(
    .enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"),
    .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct TrustCommandTests {
    @Test func `trust update follows a TUF repository, and trust show tells what was kept`() async throws {
        let stage = try await CommandStage()
        let root = String(decoding: try await stage.line.lab.tufRootJSON, as: UTF8.self)
        var transcript = try stage.transcript([
            "tuf": try await stage.line.lab.endpoints.tuf, "pinned": try stage.folder.write(root, to: "root.json"),
            "kept": stage.folder.path + "/kept", "written": stage.folder.path + "/written",
        ])
        let source = ["--tuf-url", "{tuf}", "--tuf-root", "{pinned}", "--tuf-cache", "{kept}", "--tuf-plain-http"]
        try await transcript.type(["trust", "show"] + source, exit: 3)
        let update = ["trust", "update", "--tuf-private-network"] + source
        try await transcript.type(update + ["--write", "{written}"], exit: 0, [.text, .json])
        #expect(try FileManager.default.contentsOfDirectory(atPath: stage.folder.path + "/written").count == 2)
        try await transcript.type(["trust", "show"] + source, exit: 0)
        try await transcript.type(["trust", "update", "--offline"] + source, exit: 0)
        try await transcript.type(["trust", "update", "--tuf-url", "{tuf}"], exit: 2)
        try await transcript.type(["trust", "show", "--trusted-root", "{root}", "--client-trust-config", "x"], exit: 2)
        try transcript.compare(with: "trust-tuf")
    }

    @Test func `trust show tells the material in files, and says what cannot be read`() async throws {
        var transcript = try await CommandStage().transcript()
        let files = ["--trusted-root", "{root}", "--signing-config", "{config}"]
        try await transcript.type(["trust", "show"] + files, exit: 0, [.text, .json])
        try await transcript.type(["trust", "show", "--trusted-root", "{root}.none"], exit: 3)
        try await transcript.type(["trust", "show", "--trusted-root", "{sbom}"], exit: 3)
        try transcript.compare(with: "trust-files")
    }

    @Test func `bundle verify judges a bundle in a file`() async throws {
        let name = "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"
        var transcript = try await CommandStage().transcript(["name": name])
        let trusted = ["bundle", "verify", "{bundle}", "--trusted-root", "{root}"]
        let expected = trusted + ["--certificate-identity", "{name}", "--certificate-oidc-issuer", "{issuer}"]
        try await transcript.type(expected + ["--digest", "{digest}"], exit: 0, [.text, .json])
        let other = "sha256:" + String(repeating: "0", count: 64)
        try await transcript.type(expected + ["--digest", other], exit: 1, [.text, .json])
        let stranger = [
            "--certificate-identity", "nobody", "--certificate-oidc-issuer", "{issuer}", "--digest", "{digest}",
        ]
        try await transcript.type(trusted + stranger, exit: 1)
        try await transcript.type(trusted + ["--digest", "{digest}"], exit: 2)
        let unreadable = [
            "--certificate-identity-regexp", "^(a+", "--certificate-oidc-issuer", "{issuer}", "--digest", "{digest}",
        ]
        try await transcript.type(trusted + unreadable, exit: 2)
        try await transcript.type(expected, exit: 2)
        try await transcript.type(
            ["bundle", "verify", "{bundle}.none"] + expected.dropFirst(3) + ["--digest", "{digest}"], exit: 2)
        try transcript.compare(with: "bundle-verify")
    }

    @Test func `conformance signs with the lab's services, and verifies what it signed`() async throws {
        let stage = try await CommandStage()
        let statement = #"""
            {"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":"\#(stage.image.descriptor.digest.hex)"}}],"predicateType":"https://example.com/p","predicate":{}}
            """#
        let name = "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"
        var transcript = try stage.transcript([
            "identity-token": try String(contentsOfFile: stage.line.tokenFile, encoding: .utf8), "name": name,
            "made": stage.folder.path + "/made.json",
            "statement": try stage.folder.write(statement, to: "statement.json"),
        ])
        let instance = ["--trusted-root", "{root}"]
        let sign =
            ["conformance", "sign-bundle", "--identity-token", "{identity-token}", "--bundle", "{made}"] + instance
            + ["--signing-config", "{config}"]
        let verify =
            ["conformance", "verify-bundle", "--bundle", "{made}"] + instance
            + ["--certificate-identity", "{name}", "--certificate-oidc-issuer", "{issuer}"]
        try await transcript.type(sign + ["{sbom}"], exit: 0)
        try await transcript.type(verify + ["{sbom}"], exit: 0)
        try await transcript.type(verify + ["{statement}"], exit: 1)
        try await transcript.type(sign + ["--in-toto", "{statement}"], exit: 0)
        try await transcript.type(verify + ["{digest}"], exit: 0)
        try await transcript.type(sign + ["{sbom}.none"], exit: 2)
        try await transcript.type(sign.filter { $0 != "{identity-token}" } + ["{sbom}"], exit: 2)
        try transcript.compare(with: "conformance")
    }

    @Test func `an instance of the Sigstore project is known without any file`() async throws {
        let kept = try TemporaryDirectory()
        // as a client kept it in February 2025; by now all of it has expired
        let folder = kept.path + "/https___tuf_repo_cdn.sigstore.dev_5fe1e509a4727718"
        try FileManager.default.createDirectory(atPath: folder + "/targets", withIntermediateDirectories: true)
        for (recorded, name) in [
            ("timestamp.json", "timestamp.json"), ("159.snapshot.json", "snapshot.json"),
            ("11.targets.json", "targets.json"),
            (
                "f44a1b88128e55ebfb62189becbc0fa48d4ec9915c65ac54ba0e46a008b12d5b.trusted_root.json",
                "targets/trusted_root.json"
            ),
        ] {
            try FileManager.default.copyItem(
                atPath: "\(PublicInstanceTests.recorded)/\(recorded)", toPath: "\(folder)/\(name)")
        }
        var transcript = try Transcript(["kept": kept.path])
        try await transcript.type(["trust", "show", "--tuf-cache", "{kept}"], exit: 1)
        try await transcript.type(["trust", "show", "--tuf-cache", "{kept}", "--instance", "staging"], exit: 3)
        let who = ["--certificate-identity", "a@example.com", "--certificate-oidc-issuer", "https://issuer.example"]
        try await transcript.type(["verify", "registry.example/team/app:v1"] + who, exit: 3)
        try await transcript.type(["trust", "show", "--instance", "other"], exit: 2)
        try transcript.compare(with: "trust-instance")
    }
}
