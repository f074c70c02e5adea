import OCI
import Testing

@Suite struct ReferenceTests {
    static let hex = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    struct Written: Sendable, CustomTestStringConvertible {
        let text: String
        let registry: String
        let name: String
        var tag: String?
        var digest: String?
        var testDescription: String { text }
    }

    static let wellFormed = [
        // Plain: a host with a dot, one repository component or several.
        Written(text: "registry.example.com/app", registry: "registry.example.com", name: "app"),
        Written(text: "registry.example.com/team/sub/app", registry: "registry.example.com", name: "team/sub/app"),
        // The first component is always the registry, dot or not: nothing is guessed.
        Written(text: "registry/app", registry: "registry", name: "app"),
        // The first colon is a port, never a tag.
        Written(text: "localhost:5000/app", registry: "localhost:5000", name: "app"),
        Written(text: "localhost:5000/app:v1", registry: "localhost:5000", name: "app", tag: "v1"),
        Written(text: "127.0.0.1:5000/a/b:latest", registry: "127.0.0.1:5000", name: "a/b", tag: "latest"),
        Written(text: "[::1]:5000/app:v1", registry: "[::1]:5000", name: "app", tag: "v1"),
        Written(text: "[2001:db8::1]/app", registry: "[2001:db8::1]", name: "app"),
        // Digests, alone and behind a tag.
        Written(text: "r.io/app@sha256:\(hex)", registry: "r.io", name: "app", digest: "sha256:\(hex)"),
        Written(
            text: "r.io:443/app:v1@sha256:\(hex)", registry: "r.io:443", name: "app", tag: "v1", digest: "sha256:\(hex)"
        ),
        // The separators of a component, and what a tag may hold.
        Written(text: "r.io/a.b/c_d/e__f/g-h/i---j/0", registry: "r.io", name: "a.b/c_d/e__f/g-h/i---j/0"),
        Written(text: "r.io/app:_A.b-C", registry: "r.io", name: "app", tag: "_A.b-C"),
        Written(
            text: "r.io/app:" + String(repeating: "t", count: 128), registry: "r.io", name: "app",
            tag: String(repeating: "t", count: 128)),
        // Hosts are case-insensitive; one registry must not be two.
        Written(text: "Registry.Example.COM/app", registry: "registry.example.com", name: "app"),
    ]

    @Test(arguments: wellFormed) func `a well-formed reference is taken apart`(written: Written) throws {
        let reference = try Reference(written.text)
        #expect(reference.repository.registry == written.registry)
        #expect(reference.repository.name == written.name)
        #expect(reference.tag == written.tag)
        #expect(reference.digest?.description == written.digest)
        #expect(try Reference(reference.description) == reference)
        #expect(try Repository(reference.repository.description) == reference.repository)
    }

    @Test(arguments: [
        "", "app", "/app", "r.io", "r.io/", "r.io/App", "r.io/app:v1", "r.io/app@sha256:\(hex)", "https://r.io/app",
    ])
    func `what is no repository, or more than one, is not read as one`(text: String) {
        #expect(throws: OCIError.self) { try Repository(text) }
    }

    @Test(arguments: [
        // No registry, or none that is a host.
        "", "app", "app:v1", "/app", "-r.io/app", "r.io-/app", "r..io/app", ".io/app", "r_x.io/app", "rëg.io/app",
        "user@r.io/app",
        // Ports.
        "r.io:/app", "r.io:0/app", "r.io:65536/app", "r.io:port/app", "r.io:5000:1/app", "r.io:123456/app",
        // IPv6 without brackets, or broken inside them.
        "::1/app", "[::1/app", "[]/app", "[::1]x/app", "[::g]/app",
        // Repository components: uppercase, empty, separators at the edge or mixed, dots that would climb.
        "r.io/", "r.io/App", "r.io//app", "r.io/app/", "r.io/a//b", "r.io/-a", "r.io/a-", "r.io/a..b", "r.io/a___b",
        "r.io/a.-b",
        "r.io/..", "r.io/a/../b", "r.io/.", "r.io/a b", "r.io/a%2fb", "r.io/a?b", "r.io/a#b", "r.io/ä", "r.io/a\\b",
        "r.io/a\nb",
        // Tags.
        "r.io/app:", "r.io/app:.v1", "r.io/app:-v1", "r.io/app:v/1", "r.io/app:v1:v2", "r.io/app:v 1", "r.io/app:ü",
        "r.io/app:" + String(repeating: "t", count: 129),
        // Digests.
        "r.io/app@", "r.io/app@sha256", "r.io/app@sha256:abc", "r.io/app@sha256:\(hex)@sha256:\(hex)", "@sha256:\(hex)",
        "r.io/app@sha256:\(hex):v1", "r.io/app:@sha256:\(hex)",
        // A scheme is not part of a reference.
        "https://r.io/app", "docker://r.io/app", "//r.io/app",
        // Lengths.
        "r.io/" + String(repeating: "a", count: 256), String(repeating: "a", count: 254) + "/app",
    ])
    func `what is not a reference is refused`(text: String) {
        #expect { try Reference(text) } throws: { error in
            ["reference.malformed", "digest.malformed"].contains((error as? OCIError)?.code)
        }
    }

    @Test func `an error repeats what was written without its control characters`() {
        #expect { try Reference("r.io/\u{1B}[31mapp\nlevel=error") } throws: { error in
            let text = "\(error)"
            return !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
    }
}
