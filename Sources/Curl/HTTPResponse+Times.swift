internal import CCurl
public import FoundationEssentials

extension HTTPResponse {
    /// How long the server asks to be left alone (`Retry-After`, RFC 9110 §10.2.3): seconds, or an HTTP date taken
    /// relative to the answer's own `Date` so that our clock does not matter. At most one hour; nil when absent or
    /// unreadable.
    public var retryAfter: Duration? { retryAfter(now: Date()) }

    /// When the server says it answered (`Date`, RFC 9110 §6.6.1), cut to the second; nil when absent or unreadable.
    public var date: Date? { headers["Date"].flatMap(httpDate) }

    /// ``retryAfter`` with the clock that serves where the answer has no `Date`.
    func retryAfter(now: Date) -> Duration? {
        guard let text = headers["Retry-After"] else { return nil }
        if !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // more digits than an Int holds is still "a long time"
            return min(.seconds(Int(text) ?? .max / 2), .longestRetryAfter)
        }
        guard let until = httpDate(text) else { return nil }
        let from = date ?? now
        return min(.seconds(max(0, until.timeIntervalSince(from))), .longestRetryAfter)
    }
}

extension Duration {
    /// A server may ask for more; a queue that believed it could be stopped for ever by one answer.
    fileprivate static let longestRetryAfter = Duration.seconds(3600)
}

/// All three forms of RFC 9110 §5.6.7. libcurl's parser takes far more (a bare number is a date to it); the three forms
/// begin with a weekday and end in GMT or, for asctime, a year.
private func httpDate(_ text: String) -> Date? {
    guard let first = text.utf8.first, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first), text.utf8.count <= 40
    else { return nil }
    let seconds = curl_getdate(text, nil)
    return seconds < 0 ? nil : Date(timeIntervalSince1970: Double(seconds))
}
