import FoundationEssentials
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// `log` against the lab's logs, through the program.
@Suite(
    .enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"),
    .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct LogCommandTests {
    private static let dial = ["--plain-http", "--private-network"]
    private static let trusted = dial + ["--trusted-root", "{root}"]
    private static let away = ["--rekor-url", "http://127.0.0.1:1", "--rekor-version", "1"] + dial

    @Test func `log get shows an entry, and verifies it where somebody is trusted`() async throws {
        var transcript = try await CommandStage().transcript()
        let get = ["log", "get", "--rekor-url", "{rekor}"]
        try await transcript.type(get + ["--index", "{index}"] + Self.trusted, exit: 0, [.text, .json])
        try await transcript.type(get + ["--index", "{index}"] + Self.dial, exit: 0, [.text, .json])
        try await transcript.type(get + ["--index", "1000000"] + Self.dial, exit: 1)
        try await transcript.type(get, exit: 2)
        try await transcript.type(["log", "get", "--index", "1"], exit: 2)
        try await transcript.type(["log", "get", "--index", "1"] + Self.away, exit: 3)
        try transcript.compare(with: "log-get")
    }

    @Test func `log search asks an index`() async throws {
        let stage = try await CommandStage()
        var transcript = try stage.transcript()
        let search = ["log", "search", "--rekor-url", "{rekor}"] + Self.trusted
        let bundle = try await transcript.type(search + ["--digest", "{digest}"], exit: 0, [.text, .json])
        #expect(bundle.output.contains("Found 1 entry of"))
        let both = try await transcript.type(search + ["{image}"], exit: 0, [.text, .json])
        #expect(both.output.contains("Found 2 entries of"))
        let nothing = "sha256:" + String(repeating: "0", count: 64)
        try await transcript.type(search + ["--digest", nothing], exit: 1, [.text, .json])
        try await transcript.type(search, exit: 2)
        try await transcript.type(search + ["--identity", "nobody"], exit: 2)
        try await transcript.type(search + ["--newest", "1", "{image}"], exit: 2)
        try await transcript.type(["log", "search", "--digest", nothing] + Self.away, exit: 3)
        try await transcript.type(search + ["--timeout", "0s", "{image}"], exit: 3)
        stage.line.registry.next(.answered(200, body: "<html>"), times: 99) { $0.path.contains("/blobs/") }
        try await transcript.type(search + ["{image}"], exit: 3, [.text, .json])
        try transcript.compare(with: "log-search")
    }

    @Test func `a log of tiles is searched by reading it, and says so where that is not asked for`() async throws {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        let stage = try await CommandStage(setup)
        let name = "https://kubernetes.io/namespaces/ci/serviceaccounts/signer"
        var transcript = try stage.transcript(["next": "\(stage.entry.logIndex + 1)", "name": name])
        let search = ["log", "search", "--rekor-url", "{rekor2}"] + Self.dial
        try await transcript.type(search + ["--trusted-root", "{root}", "{image}"], exit: 2)
        let scan = search + ["--scan", "--from-index", "{index}", "--to-index", "{next}"]
        let trusting = scan + ["--trusted-root", "{root}"]
        let found = try await transcript.type(trusting + ["{image}"], exit: 0, [.text, .json])
        #expect(found.output.contains("Found 1 entry of") && found.errors == "read 1 of 1 entries, found 1\n")
        try await transcript.type(trusting + ["--identity", "{name}"], exit: 0)
        try await transcript.type(trusting + ["--identity", "nobody"], exit: 1, [.text, .json])
        try await transcript.type(scan + ["--identity", "{name}"], exit: 2)
        try transcript.compare(with: "log-search-scan")
    }

    @Test func `log info tells the state of either log, and whether it is signed by whom it should`() async throws {
        let stage = try await CommandStage()
        let other = try await SigningLine.withAnotherLab { lab in try await lab.trustedRootJSON }
        let root = try stage.folder.write(String(decoding: other, as: UTF8.self), to: "other_root.json")
        var transcript = try stage.transcript(["other": root])
        for log in ["{rekor}", "{rekor2}"] {
            try await transcript.type(["log", "info", "--rekor-url", log] + Self.trusted, exit: 0, [.text, .json])
        }
        let info = ["log", "info", "--rekor-url", "{rekor}"]
        try await transcript.type(info + Self.dial, exit: 0, [.text, .json])
        try await transcript.type(info + Self.dial + ["--trusted-root", "{other}"], exit: 1, [.text, .json])
        try await transcript.type(info + ["--rekor-version", "7"], exit: 2)
        // those that are signed in, and those that only the trusted root has
        let material = ["log", "info"] + Self.trusted + ["--signing-config", "{config}"]
        try await transcript.type(material, exit: 0)
        try await transcript.type(material + ["--log", "{rekor2}"], exit: 0)
        try await transcript.type(material + ["--log", "nowhere"], exit: 2)
        try await transcript.type(["log", "info"] + Self.away, exit: 3)
        try transcript.compare(with: "log-info")
    }

    @Test func `log verify finds the entries of an image's signatures, or says what is missing`() async throws {
        let stage = try await CommandStage()
        var transcript = try stage.transcript()
        let verify = ["log", "verify"] + Self.trusted
        try await transcript.type(verify + ["{image}"], exit: 0, [.text, .json])
        try await transcript.type(verify + ["--rekor-url", "{rekor}", "--index", "{index}"], exit: 0)
        try await transcript.type(verify + ["{unsigned}"], exit: 1)
        try await transcript.type(verify + ["--rekor-url", "{rekor}", "--index", "1000000"], exit: 1, [.text, .json])
        try await transcript.type(verify, exit: 2)
        try await transcript.type(["log", "verify", "{image}"], exit: 2)
        try await transcript.type(verify + ["--index", "1", "--rekor-url", "http://127.0.0.1:1"], exit: 3)
        try await transcript.type(verify + ["--timeout", "0s", "{image}"], exit: 3)
        stage.line.registry.next(.answered(200, body: "<html>"), times: 99) { $0.path.contains("/blobs/") }
        try await transcript.type(verify + ["{image}"], exit: 3, [.text, .json])
        try transcript.compare(with: "log-verify")
    }
}
