import Curl
import Support
import Testing

/// What services and proxies print of a request, they print into our errors.
@Suite struct SentSecretsTests {
    /// An answer to a request with these headers and secrets.
    private func answer(_ headers: HTTPHeaders, _ secrets: [String] = []) async throws -> HTTPResponse {
        let server = try LoopbackServer { _ in .answer(403) }
        defer { server.stop() }
        var request = HTTPRequest(.get, server.url, headers: headers, route: .loopback())
        request.secrets = secrets
        return try await HTTPClient().send(request)
    }

    @Test(
        arguments: [
            (
                ["Authorization": "Bearer opaque-1"], "Authorization: Bearer opaque-1",
                "Authorization: Bearer «redacted»"
            ),
            (["authorization": "Basic dTpwYTpzcw=="], "got dTpwYTpzcw==, u:pa:ss", "got «redacted», u:«redacted»"),
            (["Authorization": "bAsIc dTpwYTpzcw=="], "pa:ss or pa%3Ass", "«redacted» or «redacted»"),
            (["Authorization": "token"], "token refused", "«redacted» refused"),
            (["Proxy-Authorization": "Basic dTpwYTpzcw=="], "u:pa:ss", "u:«redacted»"),
            (["X-Amz-Security-Token": "session"], "session ended", "«redacted» ended"),
            (["Authorization": "Basic dTphYg=="], "cab dTphYg==", "cab «redacted»"),
            (["Authorization": "Bearer longer-opaque"], "nothing of it", "nothing of it"),
        ] as [(HTTPHeaders, String, String)])
    func `what credential headers held is not repeated`(headers: HTTPHeaders, text: String, shown: String) async throws
    {
        #expect(try await answer(headers).withoutSecrets(text) == shown)
    }

    @Test func `what else was secret is not repeated, the whole before its parts`() async throws {
        let response = try await answer([:], ["part", "part/and whole"])
        #expect(
            response.withoutSecrets("part/and whole, part%2Fand%20whole, part") == "«redacted», «redacted», «redacted»")
        #expect(!"\(response)".contains("whole"))
    }

    @Test(arguments: [
        ("bad token eyJhbGciOiJub25lIn0.eyJ.c2ln!", "bad token «redacted»!"),
        ("token=%22eyJhbGciOiJub25lIn0.e30.&a", "token=%22«redacted»&a"),
        ("keyJSON and surveyJob", "keyJSON and surveyJob"), ("eyJ", "eyJ"), ("", ""),
    ])
    func `another's token is not repeated either`(text: String, shown: String) async throws {
        #expect(try await answer([:]).withoutSecrets(text) == shown)
    }

    @Test func `a long text is cut`() async throws {
        let text = try await answer(["Authorization": "Bearer opaque"]).withoutSecrets(
            String(repeating: "opaque eyJ ", count: 100_000))
        #expect(text.utf8.count < 128 << 10 && !text.contains("opaque "))
    }
}
