/// Where a tile is: C2SP tlog-tiles, "Merkle Tree" and "Log Entries".
struct TilePath: Hashable, Sendable {
    /// What the tile holds.
    enum Kind: Hashable, Sendable {
        /// Hashes of the nodes at height `8 × level`.
        case hashes(level: Int)
        /// Entry bundles: the leaves themselves.
        case entries
    }

    /// Hashes or entries in a full tile.
    static let fullWidth = 256

    let kind: Kind
    /// The tile's number within its level.
    let index: UInt64
    /// How many hashes or entries it holds, 1 to 256.
    let width: Int

    var isFull: Bool { width == Self.fullWidth }

    /// The tile of the same place once it is full. A log may delete a partial tile as soon as the full one exists.
    var full: TilePath { TilePath(kind: kind, index: index, width: Self.fullWidth) }

    /// `tile/<L>/<N>[.p/<W>]`, N in groups of three digits of which all but the last begin with `x`: 1234067 is
    /// `x001/x234/067`.
    var text: String {
        let place =
            switch kind {
            case .hashes(let level): String(level)
            case .entries: "entries"
            }
        var groups: [String] = []
        var rest = index
        repeat {
            let digits = String(rest % 1000)
            groups.append(String(repeating: "0", count: 3 - digits.count) + digits)
            rest /= 1000
        } while rest > 0
        let number = groups.reversed().enumerated().map { $0.offset < groups.count - 1 ? "x\($0.element)" : $0.element }
        return "tile/\(place)/\(number.joined(separator: "/"))" + (isFull ? "" : ".p/\(width)")
    }
}

extension TilePath {
    /// The entries of a bundle: each two bytes of length, big-endian, and that many bytes.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` unless it holds exactly `count` or more entries and nothing else.
    static func entries(in bundle: [UInt8], atLeast count: Int) throws(SigstoreError) -> [[UInt8]] {
        var entries: [[UInt8]] = []
        var rest = bundle[...]
        while !rest.isEmpty {
            guard rest.count >= 2 else { throw .malformed("entry bundle", "ends within a length") }
            let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
            rest = rest.dropFirst(2)
            guard rest.count >= length else { throw .malformed("entry bundle", "ends within entry \(entries.count)") }
            guard entries.count < fullWidth else { throw .malformed("entry bundle", "more than 256 entries") }
            entries.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        guard entries.count >= count else {
            throw .malformed("entry bundle", "\(entries.count) entries instead of \(count)")
        }
        return entries
    }
}
