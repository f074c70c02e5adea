/// The address of a tile below a log's URL (C2SP tlog-tiles): `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
struct TilePath: Equatable {
    /// Hashes, or entries, in a full tile.
    static let fullWidth = 256

    enum Content: Equatable {
        /// Hashes of the tree at level 8·L.
        case hashes(level: Int)
        /// The entries themselves.
        case entries
    }

    let content: Content
    let index: Int
    /// 1 to 255 for a partial tile, 256 for a full one.
    let width: Int

    var isPartial: Bool { width < Self.fullWidth }

    /// How many leaves a tree has at least when the full tile at this place is complete.
    var leavesOfFullTile: Int {
        let span =
            switch content {
            case .entries: Self.fullWidth
            case .hashes(let level): level < 7 ? 1 << (8 * (level + 1)) : Int.max
            }
        let (leaves, isTooMany) = (index + 1).multipliedReportingOverflow(by: span)
        return isTooMany ? Int.max : leaves
    }

    /// Reads a path without a slash at its start; `nil` for anything that is not exactly such an address.
    init?(_ path: some StringProtocol) {
        var parts = String(path).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 3, parts.removeFirst() == "tile" else { return nil }
        let kind = parts.removeFirst()
        if kind == "entries" {
            content = .entries
        } else {
            // levels 0 to 63, without a leading zero
            guard let level = Int(kind), (0..<64).contains(level), String(level) == kind else { return nil }
            content = .hashes(level: level)
        }
        if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p") {
            let text = parts.removeLast()
            guard let width = Int(text), (1..<Self.fullWidth).contains(width), String(width) == text else { return nil }
            self.width = width
            parts.append(String(parts.removeLast().dropLast(2)))
        } else {
            width = Self.fullWidth
        }
        guard let index = Self.index(parts) else { return nil }
        self.index = index
    }

    /// Three digits a path element, all but the last marked with an `x`: 1234067 is `x001/x234/067`.
    private static func index(_ parts: [String]) -> Int? {
        guard let last = parts.last, parts.count <= 4 else { return nil }
        var index = 0
        for part in parts.dropLast() {
            guard part.first == "x", let digits = digits(part.dropFirst()) else { return nil }
            index = index * 1000 + digits
        }
        guard let digits = digits(last[...]), parts.count == 1 || index > 0 else { return nil }
        return index * 1000 + digits
    }

    private static func digits(_ text: Substring) -> Int? {
        text.utf8.count == 3 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
