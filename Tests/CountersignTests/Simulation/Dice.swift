/// Random numbers that a seed repeats: SplitMix64. The seed is mixed first; its neighbours would else give the same numbers,
/// one later.
struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: Int) { state = Self.mixed(UInt64(bitPattern: Int64(seed)) &+ 0x1234_5678_9ABC_DEF1) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// 0 to `bound` − 1.
    mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % bound }

    /// Uniform in 0..<1.
    mutating func unit() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    /// True `times` in a thousand.
    mutating func perMille(_ times: Int) -> Bool { below(1_000) < times }
}
