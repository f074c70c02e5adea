import StrictJSON

/// Which member of a JSON document each of its bytes belongs to, names and punctuation included.
struct DocumentMap {
    private var paths: [(end: Int, path: String)] = []

    init(_ bytes: [UInt8]) throws {
        let outline = try JSONOutline(scanning: bytes)
        try add(outline.root, "", outline)
        paths.append((bytes.count, "end"))
    }

    private mutating func add(_ element: JSONOutline.Element, _ path: String, _ outline: JSONOutline) throws {
        switch element.kind {
        case .object:
            for member in try outline.members(of: element) {
                try add(member.value, path.isEmpty ? member.name : "\(path).\(member.name)", outline)
            }
        case .array:
            var elements: [JSONOutline.Element] = []
            try outline.elements(of: element) { elements.append($0) }
            for (index, one) in elements.enumerated() { try add(one, "\(path)[\(index)]", outline) }
        default: break
        }
        paths.append((element.range.upperBound, path))
    }

    /// The innermost member that the byte is part of: of its value, of its name, or of what stands before it.
    func path(of offset: Int) -> String {
        var (low, high) = (0, paths.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if paths[middle].end > offset { high = middle } else { low = middle + 1 }
        }
        return paths[low].path
    }
}
