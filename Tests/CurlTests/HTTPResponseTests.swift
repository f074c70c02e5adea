import FoundationEssentials
import Testing

@testable import Curl

@Suite struct HTTPResponseTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    private let now = Date(timeIntervalSince1970: 784_111_777)

    private func retryAfter(_ value: String?, date: String? = nil) -> Duration? {
        var headers = HTTPHeaders()
        headers["retry-after"] = value
        headers["Date"] = date
        return HTTPResponse(status: 429, headers: headers, body: [], url: "https://h/", elapsed: .zero)
            .retryAfter(now: now)
    }

    @Test func `seconds are taken as they are, up to an hour`() {
        #expect(retryAfter("0") == .zero)
        #expect(retryAfter("120") == .seconds(120))
        #expect(retryAfter("3600") == .seconds(3600))
        #expect(retryAfter("86400") == .seconds(3600))
        #expect(retryAfter(String(repeating: "9", count: 40)) == .seconds(3600))
    }

    @Test func `all three date forms are read`() {
        #expect(retryAfter("Sun, 06 Nov 1994 08:50:37 GMT") == .seconds(60))
        #expect(retryAfter("Sunday, 06-Nov-94 08:50:37 GMT") == .seconds(60))
        #expect(retryAfter("Sun Nov  6 08:50:37 1994") == .seconds(60))
    }

    @Test func `a date is relative to the server's clock where it shows one`() {
        #expect(retryAfter("Sun, 06 Nov 1994 08:50:37 GMT", date: "Sun, 06 Nov 1994 08:50:07 GMT") == .seconds(30))
        #expect(retryAfter("Sun, 06 Nov 1994 08:50:37 GMT", date: "broken") == .seconds(60))
        #expect(retryAfter("Sun, 06 Nov 1994 08:00:00 GMT") == .zero)
        #expect(retryAfter("Mon, 07 Nov 1994 08:49:37 GMT") == .seconds(3600))
    }

    @Test func `what cannot be read is no advice`() {
        for value in [nil, "", "-5", "1.5", "soon", "12 seconds", "٣", "+7", "Sun", "Sun, 99 Nov 1994 99:99:99 GMT"] {
            #expect(retryAfter(value) == nil, "\(value ?? "absent")")
        }
    }
}
