import Yams

/// One mapping of the YAML file while it is read.
///
/// Asking for a key makes it known; keys that nobody asked for are problems, so that a misspelt key is never a silent default.
/// Problems are collected, not thrown: the operator sees all of them at once.
final class ConfigurationSection {
    let path: String
    private let node: Node?
    private let mapping: Node.Mapping?
    private let log: ProblemLog
    private var known: [String] = []

    init(_ node: Node?, at path: String, log: ProblemLog) {
        self.path = path
        self.node = node
        self.log = log
        mapping = node?.mapping
        if let node, mapping == nil, !node.isNothing {
            log.problems.append(.init(path, "must be a mapping of keys to values", line: node.mark?.line))
        }
    }

    // MARK: Places

    /// Whether the file has the section at all.
    var isPresent: Bool { mapping != nil }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func complain(_ key: String, _ message: String) {
        log.problems.append(.init(path(of: key), message, line: (mapping?[key] ?? node)?.mark?.line))
    }

    /// Whether the file sets the key (and does not leave it empty).
    func has(_ key: String) -> Bool { value(key) != nil }

    private func value(_ key: String) -> Node? {
        if !known.contains(key) { known.append(key) }
        log.keys.insert(path(of: key).withoutPositions)
        guard let value = mapping?[key], !value.isNothing else { return nil }
        log.lines[path(of: key)] = value.mark?.line
        return value
    }

    /// Reports the keys nobody asked for. Last call of every reading.
    func finish() {
        for (key, value) in mapping ?? [:] {
            let name = key.string ?? "?"
            guard !known.contains(name) else { continue }
            let hint =
                nearest(name, in: known).map { "did you mean '\($0)'?" }
                ?? "known here: \(known.sorted().joined(separator: ", "))"
            log.problems.append(.init(path(of: name), "unknown key; \(hint)", line: (key.mark ?? value.mark)?.line))
        }
    }

    // MARK: Values

    func string(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.scalar?.string else {
            complain(key, "must be one value")
            return nil
        }
        return text
    }

    /// A value that must be there; its absence is a problem and gives "".
    func required(_ key: String, _ meaning: String) -> String {
        if let text = string(key) { return text }
        if !has(key) { complain(key, "is missing: \(meaning)") }
        return ""
    }

    /// A value in the one form `parse` understands.
    func read<Value>(_ key: String, into target: inout Value, _ form: String, parse: (String) -> Value?) {
        guard let text = string(key) else { return }
        guard let parsed = parse(text) else { return complain(key, "'\(text.prefix(80))' is not \(form)") }
        target = parsed
    }

    func read(_ key: String, into target: inout Bool) {
        read(key, into: &target, "true or false") { ["true": true, "false": false][$0] }
    }

    func read(_ key: String, into target: inout Int) {
        read(key, into: &target, "a whole number, at most 1000000000") { text in
            Int(text).flatMap { (-1_000_000_000...1_000_000_000).contains($0) ? $0 : nil }
        }
    }

    func read(_ key: String, into target: inout Duration) {
        read(key, into: &target, "a duration such as 500ms, 30s, 5m or 1h", parse: Duration.init(configured:))
    }

    /// A number of bytes, as `1MiB`.
    func readSize(_ key: String, into target: inout Int) {
        read(key, into: &target, "a size such as 4096, 64KiB or 1MiB", parse: Int.init(configuredBytes:))
    }

    func read<Choice: RawRepresentable & CaseIterable>(_ key: String, into target: inout Choice)
    where Choice.RawValue == String {
        let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        read(key, into: &target, "one of \(choices)") { Choice(rawValue: $0) }
    }

    /// A list of values; one value alone is a list of one.
    func strings(_ key: String) -> [String] {
        guard let value = value(key) else { return [] }
        let items = value.sequence.map(Array.init) ?? [value]
        let texts = items.compactMap { $0.scalar?.string }
        if texts.count < items.count { complain(key, "must be a list of plain values") }
        return texts
    }

    func globs(_ key: String) -> [Glob] {
        strings(key).compactMap { text in
            do { return try Glob(text) } catch {
                complain(key, "'\(text.prefix(80))' is not a glob: \(error)")
                return nil
            }
        }
    }

    // MARK: Nested sections

    /// Reads a nested mapping and reports what is unknown in it.
    func section<Result>(_ key: String, _ body: (ConfigurationSection) -> Result) -> Result {
        let nested = ConfigurationSection(value(key), at: path(of: key), log: log)
        defer { nested.finish() }
        return body(nested)
    }

    /// Reads a nested mapping where the file has it.
    func sectionIfPresent<Result>(_ key: String, _ body: (ConfigurationSection) -> Result) -> Result? {
        has(key) ? section(key, body) : nil
    }

    /// Reads a list of mappings.
    func sections<Result>(_ key: String, _ body: (ConfigurationSection) -> Result) -> [Result] {
        guard let value = value(key) else { return [] }
        guard let items = value.sequence else {
            complain(key, "must be a list")
            return []
        }
        return items.enumerated().map { position, item in
            let place = "\(path(of: key))[\(position)]"
            log.lines[place] = item.mark?.line
            let nested = ConfigurationSection(item, at: place, log: log)
            defer { nested.finish() }
            return body(nested)
        }
    }
}

extension Node {
    /// An empty value: `key:` or `key: ~`.
    fileprivate var isNothing: Bool {
        guard let scalar, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null"].contains(scalar.string)
    }
}

/// The known key that a misspelt one most likely meant: at most three edits away, and fewer than half its letters.
private func nearest(_ name: String, in known: [String]) -> String? {
    let ranked = known.map { ($0, distance(Array(name.utf8.prefix(64)), Array($0.utf8))) }
    guard let best = ranked.min(by: { $0.1 < $1.1 }), best.1 <= 3, best.1 * 2 <= best.0.utf8.count else { return nil }
    return best.0
}

/// Levenshtein's distance.
private func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, byte) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in right.enumerated() {
            let above = row[j + 1]
            row[j + 1] = byte == other ? diagonal : 1 + min(diagonal, above, row[j])
            diagonal = above
        }
    }
    return row[right.count]
}
