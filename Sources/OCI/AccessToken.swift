import StrictJSON

/// A registry token and how long it may be used.
struct AccessToken: Sendable {
    let value: Credentials.Secret
    let expires: ContinuousClock.Instant

    /// Reads a token answer: `token` (distribution) or `access_token` (OAuth 2), `expires_in` seconds, 60 if absent
    /// (distribution "Token Authentication Specification"). Renewed before its end by a fifth of its life, at most 10 s.
    init(answer body: [UInt8], at now: ContinuousClock.Instant) throws(OCIError) {
        let document: JSONValue
        do { document = try JSONValue(parsing: body) } catch { throw .tokenAnswerMalformed("\(error)") }
        guard let text = document["token"]?.text ?? document["access_token"]?.text, !text.isEmpty else {
            throw .tokenAnswerMalformed("neither token nor access_token")
        }
        // It becomes a header value: nothing may end the line.
        guard text.utf8.count <= 24 << 10, text.utf8.allSatisfy(\.isVisible) else {
            throw .tokenAnswerMalformed("token is not visible ASCII of at most 24 kB")
        }
        let seconds = min(max(document["expires_in"]?.integer ?? 60, 0), 3600)
        self.value = .init(text)
        self.expires = now + .seconds(seconds) - min(.seconds(10), .seconds(seconds) / 5)
    }

    var field: String { "Bearer \(value.value)" }
}
