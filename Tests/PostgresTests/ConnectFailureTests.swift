import Testing

@testable import Postgres

/// What is made of libpq's words.
@Suite struct ConnectFailureTests {
    private static let away =
        "connection to server at \"a.example\" (10.0.0.1), port 5432 failed: Connection refused  Is the server running on that "
        + "host and accepting TCP/IP connections? "
    private static let unknown =
        "could not translate host name \"a.example\" to address: Name or service not known "
    private static let foreign =
        "connection to server at \"b.example\" (10.0.0.2), port 5432 failed: SSL error: certificate verify failed "
    private static let plain =
        "connection to server at \"c.example\" (10.0.0.3), port 5432 failed: server does not support SSL, but SSL was required "

    @Test(
        arguments: [
            (foreign, 1, "postgres.untrusted"),
            // one name with several addresses
            (away + foreign, 1, "postgres.untrusted"),
            (away, 1, "postgres.unavailable"),

            // the other was not reached, or not asked
            (away + foreign, 2, "postgres.unavailable"),
            (foreign + away, 2, "postgres.unavailable"),
            (unknown + foreign, 2, "postgres.unavailable"),
            (foreign, 2, "postgres.unavailable"),
            (foreign + plain, 3, "postgres.unavailable"),

            (foreign + plain, 2, "postgres.untrusted"),
            (
                away + "connection to server at \"b.example\" (10.0.0.2), port 5432 failed: FATAL:  28P01: password "
                    + "authentication failed for user \"x\" LOCATION:  auth_failed, auth.c:326", 2, "postgres.refused"
            ),
        ])
    func `of several hosts all must be distrusted`(text: String, hosts: Int, code: String) {
        let error = ConnectFailure(text, of: hosts).error
        #expect(error.code == code)
        #expect(error.isTransient == (code == "postgres.unavailable"))
    }
}
