import FoundationEssentials

/// One `NNN_name.up.sql`.
struct MigrationFile: Sendable {
    let number: Int
    /// The file's name, without its folder.
    let name: String
    let sql: [UInt8]
    /// The lowest number that a program may have reached which works on a database with this migration. Its own, unless
    /// the file's first comment has a line `-- compatible from: N`.
    let compatibleFrom: Int

    /// Three digits, an underscore, words of `a-z0-9_`, `.up.sql`.
    static func number(of name: String) -> Int? {
        guard name.hasSuffix(".up.sql") else { return nil }
        let stem = name.dropLast(".up.sql".count)
        let digits = stem.prefix(3)
        let words = stem.dropFirst(3)
        guard digits.utf8.count == 3, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), words.first == "_",
            words.count > 1,
            words.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F })
        else { return nil }
        return Int(digits)
    }

    private static let header = "-- compatible from:"

    /// What the comment at the file's beginning declares.
    /// - Throws: ``MigrationFault/malformed(_:)`` where the line has no number from 1 to the file's own.
    private static func compatibleFrom(
        _ name: String, _ number: Int, _ sql: String
    ) throws(PostgresError) -> Int {
        let comment = sql.split(whereSeparator: \.isNewline).prefix { $0.hasPrefix("--") }
        guard let line = comment.first(where: { $0.hasPrefix(header) }) else { return number }
        let text = line.dropFirst(header.count).drop { $0 == " " }
        guard let declared = Int(text), (1...number).contains(declared) else {
            throw .migration(.malformed("\(name): '\(line)' must name a migration from 1 to \(number)"))
        }
        return declared
    }

    /// The migrations of a folder: 1, 2, 3 … without a gap. A `.sql` file of another form is an error rather than
    /// passed over: it would be a migration that somebody believes to be applied.
    static func all(in directory: String) throws(PostgresError) -> [MigrationFile] {
        var files: [MigrationFile] = []
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw .migration(.malformed("cannot read the migrations in \(directory)"))
        }
        for name in names.sorted() where name.hasSuffix(".sql") {
            guard let number = number(of: name) else {
                throw .migration(.malformed("\(name) is not named NNN_name.up.sql"))
            }
            guard let content = FileManager.default.contents(atPath: directory + "/" + name) else {
                throw .migration(.malformed("cannot read \(name)"))
            }
            guard number == files.count + 1 else {
                if number <= files.count { throw .migration(.malformed("two migrations have the number \(number)")) }
                throw .migration(.gap(missing: files.count + 1))
            }
            files.append(
                MigrationFile(
                    number: number, name: name, sql: Array(content),
                    compatibleFrom: try compatibleFrom(name, number, String(decoding: content, as: UTF8.self))))
        }
        guard !files.isEmpty else { throw .migration(.malformed("there are no migrations in \(directory)")) }
        return files
    }
}
