import FoundationEssentials

/// UTCTime and GeneralizedTime in the forms RFC 5280 §4.1.2.5 and RFC 3161 §2.4.2 allow: always with seconds, always
/// UTC; fractions of a second only in GeneralizedTime, without trailing zeros.
enum ASN1Time {
    static func date(_ element: DERReader.Element, allowsFraction: Bool = false) throws(CryptoError) -> Date {
        // before it is a text: what is longer is none, and may take long to compare
        guard element.content.count <= 32 else {
            throw .malformed(what: "time", detail: "\(element.content.count) bytes")
        }
        let text = String(decoding: element.content, as: UTF8.self)
        guard text.hasSuffix("Z") else { throw malformed(text) }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        var digits = parts[0].utf8.map { Int($0) - 48 }
        guard digits.allSatisfy({ (0...9).contains($0) }) else { throw malformed(text) }
        switch (element.tag, digits.count) {
        case (DER.Tag.utcTime, 12): digits = (digits[0] >= 5 ? [1, 9] : [2, 0]) + digits
        case (DER.Tag.generalizedTime, 14): break
        default: throw malformed(text)
        }
        func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + $1 } }
        let (year, month, day) = (number(0..<4), number(4..<6), number(6..<8))
        let (hour, minute, second) = (number(8..<10), number(10..<12), number(12..<14))
        guard (1...12).contains(month), day >= 1, day <= daysIn(month, year), hour < 24, minute < 60, second < 60 else {
            throw malformed(text)
        }
        let seconds = ((dayNumber(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        return Date(timeIntervalSince1970: Double(seconds) + (try fraction(parts, text, allowsFraction)))
    }

    /// UTCTime up to 2049, GeneralizedTime from 2050 on; whole seconds, rounded down.
    static func encode(_ date: Date) -> [UInt8] {
        let digits = digits(date)
        return digits.year < 2050
            ? DER.element(DER.Tag.utcTime, Array(digits.text.utf8.dropFirst(2)))
            : DER.element(DER.Tag.generalizedTime, Array(digits.text.utf8))
    }

    /// GeneralizedTime in whole seconds, rounded down.
    static func encodeGeneralized(_ date: Date) -> [UInt8] {
        DER.element(DER.Tag.generalizedTime, Array(digits(date).text.utf8))
    }

    private static func malformed(_ text: String) -> CryptoError {
        .malformed(what: "time", detail: String(text.prefix(40)))
    }

    private static func fraction(
        _ parts: [Substring], _ text: String, _ allowed: Bool
    ) throws(CryptoError) -> Double {
        guard parts.count > 1 else { return 0 }
        guard allowed, parts.count == 2, (1...9).contains(parts[1].count), parts[1].last != "0",
            parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let fraction = Double("0." + parts[1])
        else { throw malformed(text) }
        return fraction
    }

    private static func digits(_ date: Date) -> (year: Int, text: String) {
        let seconds = Int(date.timeIntervalSince1970.rounded(.down))
        let days = Int((Double(seconds) / 86_400).rounded(.down))
        let time = seconds - days * 86_400
        let (year, month, day) = civil(days)
        func pad(_ value: Int, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let clock = pad(time / 3600, 2) + pad(time / 60 % 60, 2) + pad(time % 60, 2)
        return (year, pad(year, 4) + pad(month, 2) + pad(day, 2) + clock + "Z")
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func daysIn(_ month: Int, _ year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar; years start in March, so that leap days come last.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let marchYear = month > 2 ? year : year - 1
        let era = marchYear / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
