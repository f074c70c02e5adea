import FoundationEssentials

extension Date {
    /// Reads an RFC 3339 §5.6 time with optional fraction, as ProtoJSON writes `Timestamp`; nil if it is anything else.
    package init?(rfc3339 text: String) {
        var rest = Substring(text)
        func number(_ digits: Int, followedBy separators: String) -> Int? {
            let field = rest.prefix(digits)
            guard field.utf8.count == digits, field.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            rest = rest.dropFirst(digits)
            if !separators.isEmpty {
                guard let separator = rest.first, separators.contains(separator) else { return nil }
                rest = rest.dropFirst()
            }
            return Int(field)
        }
        guard let year = number(4, followedBy: "-"), let month = number(2, followedBy: "-"), (1...12).contains(month),
            let day = number(2, followedBy: "Tt"), (1...Self.days(in: month, of: year)).contains(day),
            let hour = number(2, followedBy: ":"), hour < 24, let minute = number(2, followedBy: ":"), minute < 60,
            let second = number(2, followedBy: ""), second < 60
        else { return nil }
        var fraction = 0.0
        if rest.first == "." {
            let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            guard (1...9).contains(digits.count), let value = Double("0.\(digits)") else { return nil }
            fraction = value
            rest = rest.dropFirst(1 + digits.count)
        }
        var offset = 0
        if rest == "Z" || rest == "z" {
            rest = ""
        } else if let sign = rest.first, sign == "+" || sign == "-" {
            rest = rest.dropFirst()
            guard let hours = number(2, followedBy: ":"), let minutes = number(2, followedBy: ""), rest.isEmpty else {
                return nil
            }
            offset = (sign == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
        } else {
            return nil
        }
        let seconds = Self.daysSinceEpoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
        self.init(timeIntervalSince1970: Double(seconds) + fraction)
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar; years are counted from March so that the leap day is last.
    private static func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Whole seconds since 1970, as Rekor and tokens count.
    var unixSeconds: Int64 { Int64(timeIntervalSince1970.rounded(.down)) }

    init(unixSeconds: Int64) { self.init(timeIntervalSince1970: Double(unixSeconds)) }

    func adding(_ duration: Duration) -> Date { addingTimeInterval(duration / .seconds(1)) }

    /// `2026-11-23T19:19:56Z`, for messages.
    var rfc3339: String { formatted(.iso8601) }
}
