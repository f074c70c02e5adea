/// The character classes of the grammars in this module (distribution reference, RFC 9110 §5.6.2).
extension UInt8 {
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
    var isLowercaseLetter: Bool { self >= UInt8(ascii: "a") && self <= UInt8(ascii: "z") }
    var isUppercaseLetter: Bool { self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") }
    var isAlphanumeric: Bool { isDigit || isLowercaseLetter || isUppercaseLetter }
    var isLowercaseAlphanumeric: Bool { isDigit || isLowercaseLetter }
    var isLowercaseHex: Bool { isDigit || (self >= UInt8(ascii: "a") && self <= UInt8(ascii: "f")) }
    /// `[A-Za-z0-9_]`, the `\w` of the reference grammar.
    var isWord: Bool { isAlphanumeric || self == UInt8(ascii: "_") }
    /// `SP` and `HTAB`, the optional whitespace of HTTP fields.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
    /// A printable ASCII character other than the space.
    var isVisible: Bool { self > 0x20 && self < 0x7F }
    /// `tchar` of RFC 9110 §5.6.2.
    var isTokenCharacter: Bool { isAlphanumeric || Self.tokenPunctuation.contains(self) }

    private static let tokenPunctuation = Set("!#$%&'*+-.^_`|~".utf8)
}
