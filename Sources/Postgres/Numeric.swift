/// The wire form of `numeric` (`numeric_send`): base-10000 digits, the first of them worth 10000^weight.
/// Only read, never sent: aggregates over `bigint` and `extract` answer with it.
struct Numeric {
    /// Plain decimal notation, "NaN", "Infinity" or "-Infinity", as the server itself prints it.
    let text: String

    /// The value, if it has no fraction and fits.
    var integer: Int64? {
        let parts = text.split(separator: ".", maxSplits: 1)
        guard let whole = parts.first, parts.count == 1 || parts[1].allSatisfy({ $0 == "0" }) else { return nil }
        return Int64(whole)
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 8, bytes.count.isMultiple(of: 2) else { return nil }
        let words = stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        let weight = Int(Int16(bitPattern: words[1]))
        let scale = Int(words[3])
        let digits = words.dropFirst(4).map(Int.init)
        guard Int(words[0]) == digits.count, digits.allSatisfy({ $0 < 10_000 }) else { return nil }

        switch words[2] {
        case 0x0000, 0x4000: break
        case 0xC000: text = "NaN"; return
        case 0xD000: text = "Infinity"; return
        case 0xF000: text = "-Infinity"; return
        default: return nil
        }

        /// The four decimal digits at a power of 10000; those not sent are zero.
        func group(_ power: Int) -> String {
            let index = weight - power
            let digits = String(digits.indices.contains(index) ? digits[index] : 0)
            return String(repeating: "0", count: 4 - digits.count) + digits
        }
        let whole = stride(from: max(weight, 0), through: 0, by: -1).map(group).joined().drop { $0 == "0" }
        let fraction = (0..<(scale + 3) / 4).map { group(-1 - $0) }.joined().prefix(scale)
        text =
            (words[2] == 0x4000 ? "-" : "") + (whole.isEmpty ? "0" : whole) + (fraction.isEmpty ? "" : "." + fraction)
    }
}
