extension Duration {
    /// `500ms`, `30s`, `5m`, `1h`, `7d`, or `0`; nil for everything else (a bare number has no unit and is not guessed).
    init?(configured text: String) {
        if text == "0" {
            self = .zero
            return
        }
        let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        guard let (suffix, milliseconds) = units.first(where: { text.hasSuffix($0.0) }),
            let count = Int64(digits: text.dropLast(suffix.count)),
            case let (total, overflow) = count.multipliedReportingOverflow(by: milliseconds), !overflow,
            total <= 10_000 * 86_400_000
        else { return nil }
        self = .milliseconds(total)
    }
}

extension Int {
    /// `4096`, `64KiB`, `1MiB`, `2GiB`; nil for everything else.
    init?(configuredBytes text: String) {
        let units: [(String, Int)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        let (suffix, factor) = units.first(where: { text.hasSuffix($0.0) }) ?? ("", 1)
        guard let count = Int(digits: text.dropLast(suffix.count)),
            case let (total, overflow) = count.multipliedReportingOverflow(by: factor), !overflow
        else { return nil }
        self = total
    }
}

extension FixedWidthInteger {
    /// Decimal digits and nothing else, no sign either; nil beyond what fits.
    fileprivate init?(digits text: Substring) {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(text)
    }
}
