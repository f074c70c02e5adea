import Support
import Testing

/// What asks a registry and nobody else, through the program.
@Suite(
    .enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"),
    .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct ArtifactCommandTests {
    private static let dial = ["--plain-http", "--private-network"]
    private static let away = ["127.0.0.1:1/team/app:v1"] + dial

    @Test func `describe tells what signatures say, and judges where somebody is trusted`() async throws {
        let stage = try await CommandStage()
        var transcript = try stage.transcript()
        let trusted = Self.dial + ["--trusted-root", "{root}"]
        try await transcript.type(["describe", "{image}"] + trusted, exit: 0, [.text, .json])
        try await transcript.type(["describe", "--bundle", "{bundle}"], exit: 0, [.text, .json])
        try await transcript.type(["describe", "{unsigned}"] + Self.dial, exit: 1, [.text, .json])
        try await transcript.type(["describe"], exit: 2)
        try await transcript.type(["describe", "--key", "key.pub", "{image}"], exit: 2)
        try await transcript.type(["describe", "{repository}:nothing"] + Self.dial, exit: 1)
        try await transcript.type(["describe"] + Self.away, exit: 3)
        stage.line.registry.next(.answered(200, body: "<html>"), times: 99) { $0.path.contains("/blobs/") }
        try await transcript.type(["describe", "{image}"] + trusted, exit: 3, [.text, .json])
        try transcript.compare(with: "describe")
    }

    @Test func `tree and triangulate tell what hangs on an image, and where`() async throws {
        var transcript = try await CommandStage().transcript()
        for command in ["tree", "triangulate"] {
            try await transcript.type([command, "{image}"] + Self.dial, exit: 0, [.text, .json])
            try await transcript.type([command, "{unsigned}"] + Self.dial, exit: 0)
            try await transcript.type([command, "{repository}:nothing"] + Self.dial, exit: 1)
            try await transcript.type([command, "team"], exit: 2)
            try await transcript.type([command] + Self.away, exit: 3)
        }
        try await transcript.type(["tree", "{image}", "--timeout", "0s"] + Self.dial, exit: 3)
        try await transcript.type(["triangulate", "--type", "sbom", "{image}"] + Self.dial, exit: 0)
        try await transcript.type(["triangulate", "--type", "other", "{image}"] + Self.dial, exit: 2)
        try transcript.compare(with: "tree-triangulate")
    }

    @Test func `attach puts a document beside an image, in either form, and warns`() async throws {
        let documents = packageRoot + "/Tests/SigstoreTests/Fixtures/documents/"
        var transcript = try await CommandStage().transcript([
            "sbom": documents + "spdx-2.3.json", "vex": documents + "openvex-0.2.0.json",
        ])
        let attach = ["attach", "sbom", "--sbom", "{sbom}"]
        try await transcript.type(attach + ["{image}"] + Self.dial, exit: 0, [.text, .json])
        let referrer = attach + ["--registry-referrers-mode", "oci-1-1", "{image}"] + Self.dial
        try await transcript.type(referrer, exit: 0, [.text, .json])
        try await transcript.type(["tree", "{image}"] + Self.dial, exit: 0)
        // nobody said what it is
        try await transcript.type(["attach", "sbom", "--sbom", "{vex}", "{image}"] + Self.dial, exit: 0)
        try await transcript.type(["attach", "sbom", "--sbom", "{root}.none", "{image}"] + Self.dial, exit: 2)
        try await transcript.type(attach + ["--type", "other", "{image}"] + Self.dial, exit: 2)
        try await transcript.type(attach + ["{repository}:nothing"] + Self.dial, exit: 1)
        try await transcript.type(attach + Self.away, exit: 3)
        try transcript.compare(with: "attach")
    }
}
