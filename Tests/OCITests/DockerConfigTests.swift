import OCI
import Support
import Testing

@Suite struct DockerConfigTests {
    static func config(_ text: String) throws -> DockerConfig { try DockerConfig(json: Array(text.utf8)) }

    @Test func `auths give user and password, by host, whatever form the key has`() throws {
        let config = try Self.config(
            #"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpiOmM="},"R.example:5000":{"username":"u","password":"p"},"x.example":{}}}"#
        )
        #expect(try config.credentials(for: "index.docker.io") == .basic(username: "a", password: .init("b:c")))
        #expect(try config.credentials(for: "r.example:5000") == .basic(username: "u", password: .init("p")))
        #expect(try config.credentials(for: "r.example") == .anonymous)
        #expect(try config.credentials(for: "x.example") == .anonymous)
    }

    @Test func `tokens win over passwords`() throws {
        let config = try Self.config(
            #"{"auths":{"a":{"auth":"YTpi","identitytoken":"refresh"},"b":{"registrytoken":"ready"}}}"#)
        #expect(try config.credentials(for: "a") == .identityToken(.init("refresh")))
        #expect(try config.credentials(for: "b") == .bearer(.init("ready")))
    }

    @Test func `a credential helper is an error, not "no credentials"`() throws {
        let config = try Self.config(
            #"{"auths":{"kept":{},"plain":{"auth":"YTpi"}},"credHelpers":{"helped":"ecr-login"},"credsStore":"desktop"}"#
        )
        for host in ["helped", "kept", "unmentioned"] {
            #expect { try config.credentials(for: host) } throws: {
                ($0 as? OCIError)?.code == "registry.credential_helper"
            }
        }
        #expect(try config.credentials(for: "plain") == .basic(username: "a", password: .init("b")))
    }

    @Test(arguments: [
        // not JSON, not an object, not the right members
        "", "[]", "{", #"{"auths":[]}"#, #"{"auths":{"a":"YTpi"}}"#, #"{"credHelpers":"x"}"#,
        #"{"auths":{"a":{}},"auths":{}}"#,
        // auth that is not base64 of user:password
        #"{"auths":{"a":{"auth":"not base64!"}}}"#, #"{"auths":{"a":{"auth":"YWI="}}}"#,
        #"{"auths":{"a":{"auth":"OmI="}}}"#, #"{"auths":{"a":{"auth":"/w=="}}}"#,
    ])
    func `a malformed file is refused`(text: String) {
        #expect { try Self.config(text) } throws: { ($0 as? OCIError)?.code == "registry.credentials_malformed" }
    }

    @Test func `a file is read, and a missing one is an error`() throws {
        let folder = try TemporaryDirectory()
        let path = try folder.write(#"{"auths":{"a":{"auth":"YTpi"}}}"#, to: "config.json")
        #expect(try DockerConfig(path: path).credentials(for: "a") == .basic(username: "a", password: .init("b")))
        #expect { try DockerConfig(path: path + "x") } throws: {
            ($0 as? OCIError)?.code == "registry.credentials_malformed"
        }
    }

    @Test func `secrets do not print`() {
        let credentials: [Credentials] = [
            .basic(username: "robot", password: .init("hunter2")), .identityToken(.init("hunter2")),
            .bearer(.init("hunter2")),
        ]
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\(Credentials.Secret("hunter2"))"] {
            #expect(!text.contains("hunter2"))
        }
        #expect("\(credentials[0])" == "basic robot")
    }
}
