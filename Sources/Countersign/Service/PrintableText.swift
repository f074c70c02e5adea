extension String {
    /// Text from outside made fit for a line that people read: what would move a terminal's cursor, begin another line or turn
    /// the direction of the text is a space.
    package var printable: String {
        // nearly all of it
        if utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return self }
        return String(UnicodeScalarView(unicodeScalars.map { $0.isPrintable ? $0 : " " }))
    }
}

extension Unicode.Scalar {
    fileprivate var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
