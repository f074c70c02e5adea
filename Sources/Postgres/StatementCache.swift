/// The statements prepared on one connection, the least recently used one leaving first. A value without I/O: it says
/// what to prepare and what to drop.
struct StatementCache {
    /// Not the SQL alone: the same text prepared for other types is another statement.
    struct Key: Hashable {
        let sql: String
        let types: [PostgresType]
    }

    static let capacity = 200

    /// Names that the server still has and nobody uses any more.
    private(set) var retired: [String] = []
    /// Behind a pooler another client may have prepared a statement of the same name on the server process we get;
    /// running *that* would be worse than an error. A random prefix makes the names ours alone.
    private let prefix = String(UInt64.random(in: .min ... .max), radix: 36)
    private var names: [Key: (name: String, usedAt: Int)] = [:]
    private var clock = 0

    /// The name under which this statement stands prepared, if it does.
    mutating func name(for key: Key) -> String? {
        guard let name = names[key]?.name else { return nil }
        clock += 1
        names[key] = (name, clock)
        return name
    }

    /// A name that was never used on this connection.
    mutating func freshName() -> String {
        clock += 1
        return "\(prefix)_\(clock)"
    }

    /// Remembers a statement that the server has accepted.
    mutating func insert(_ key: Key, name: String) {
        clock += 1
        names[key] = (name, clock)
        guard names.count > Self.capacity, let oldest = names.min(by: { $0.value.usedAt < $1.value.usedAt }) else {
            return
        }
        names[oldest.key] = nil
        retired.append(oldest.value.name)
    }

    /// Forgets a statement that the server no longer has, or that it cannot run any more.
    mutating func remove(_ key: Key) {
        guard let name = names.removeValue(forKey: key)?.name else { return }
        retired.append(name)
    }

    mutating func takeRetired() -> [String] {
        defer { retired = [] }
        return retired
    }
}
