/// Why schema and code do not belong together.
package enum MigrationFault: Sendable, Equatable {
    /// The folder cannot be read, or holds a file that is no `NNN_name.up.sql`.
    case malformed(String)
    /// A number is missing: among the files, or among what the database applied.
    case gap(missing: Int)
    /// A file was changed after it was applied.
    case checksum(file: String)
    /// The database has a migration that this program does not know, and that does not declare itself compatible with it.
    case newer(database: Int, code: Int)
    /// A file failed and was rolled back; `line` counts from 1.
    case failed(file: String, report: ServerReport, line: Int?)

    var code: String {
        switch self {
        case .malformed: "migration.malformed"
        case .gap: "migration.gap"
        case .checksum: "migration.checksum"
        case .newer: "migration.newer"
        case .failed: "migration.failed"
        }
    }
}

extension MigrationFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let reason): reason
        case .gap(let missing): "migration \(missing) is missing"
        case .checksum(let file): "\(file) was changed after it was applied; restore it and add a new migration instead"
        case .newer(let database, let code):
            "the database is at migration \(database), and works only with programs newer than this one, which knows \(code)"
        case .failed(let file, let report, let line): "\(file)\(line.map { ":\($0)" } ?? ""): \(report)"
        }
    }
}
