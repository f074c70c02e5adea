package import FoundationEssentials

/// Brings a database's schema to where this program needs it. Forward only: files are applied in order, each in a
/// transaction of its own, and never again.
package struct Migrator: Sendable {
    private let files: [MigrationFile]
    /// How long all of it may take, the wait for another migrator included.
    private let deadline: Duration
    private let patience: LockPatience

    /// How a file waits for the locks of its tables. Daemons run on meanwhile: whoever waits for the lock of a whole table,
    /// behind a dump perhaps, has everybody else wait behind them; so it steps back between its tries.
    package struct LockPatience: Sendable {
        /// Of one try, at least a millisecond. Default ten seconds.
        package var wait = Duration.seconds(10)
        /// Between two tries. Default two seconds.
        package var pause = Duration.seconds(2)
        /// Before it fails with SQLSTATE 55P03, or 40P01 after a deadlock. Default 30.
        package var tries = 30

        /// The defaults.
        package init() {}
    }

    /// Reads the folder's `NNN_name.up.sql`.
    /// - Throws: ``MigrationFault/malformed(_:)`` or ``MigrationFault/gap(missing:)``.
    package init(
        directory: String, deadline: Duration = .seconds(600), patience: LockPatience = .init()
    ) throws(PostgresError) {
        files = try MigrationFile.all(in: directory)
        self.deadline = deadline
        self.patience = patience
    }

    /// The number of the newest migration that this program knows.
    package var newest: Int { files.count }

    /// Applies what is missing, under an advisory lock that all migrators of the database share, and returns what this
    /// call applied. Needs a direct connection: behind a transaction pooler a session lock holds nothing.
    /// - Throws: ``PostgresError/migration(_:)``; what was applied before the fault stays applied.
    package func migrate(using configuration: PostgresConfiguration) async throws(PostgresError) -> [AppliedMigration] {
        try await onOwnConnection(configuration) { session, ledger throws(PostgresError) in
            // The lock goes with the connection, whatever happens.
            _ = try session.query("SELECT pg_advisory_lock(\(Ledger.lockKey))")
            try ledger.create(session)
            let applied = try ledger.read(session)
            let pending = try check(applied, checksums: checksums(session))
            var done: [AppliedMigration] = []
            for (file, checksum) in pending { done.append(try ledger.apply(file, checksum, session, patience)) }
            return done
        }
    }

    /// What `migrate` would find and do; changes nothing.
    package func status(using configuration: PostgresConfiguration) async throws(PostgresError) -> MigrationStatus {
        try await onOwnConnection(configuration) { session, ledger throws(PostgresError) in
            let applied = try ledger.exists(session) ? ledger.read(session) : []
            do throws(PostgresError) {
                let pending = try check(applied, checksums: checksums(session))
                return MigrationStatus(
                    applied: applied, pending: pending.map(\.0.name), ahead: ahead(applied).map(\.name), fault: nil)
            } catch .migration(let fault) {
                return MigrationStatus(applied: applied, pending: [], ahead: ahead(applied).map(\.name), fault: fault)
            }
        }
    }

    /// Whether a newer program has taken the database away from this one since it was looked at: ``MigrationFault/newer``
    /// or nil. One short statement, for a look every few seconds.
    package func overtaken(_ pool: ConnectionPool) async throws(PostgresError) -> MigrationFault? {
        let (ledger, known) = (Ledger(pool.configuration), newest)
        let newer = try await pool.result(deadline: .seconds(5)) { session throws(PostgresError) in
            try ledger.read(session, after: known)
        }.get()
        return fault(newer)
    }

    // MARK: Steps

    /// SHA-256 of each file, by the server: this module has no cryptography, and needs none for a single sum.
    private func checksums(_ session: Session) throws(PostgresError) -> [String] {
        try session.query(
            """
            SELECT encode(sha256(sql), 'hex') FROM unnest(\(files.map(\.sql))) WITH ORDINALITY AS f (sql, n) ORDER BY n
            """
        ).map { row throws(PostgresError) in try row.decode(0) }
    }

    /// What is left to apply, if the database's past is the beginning of ours.
    private func check(
        _ applied: [AppliedMigration], checksums: [String]
    ) throws(PostgresError) -> [(MigrationFile, String)] {
        if let fault = fault(ahead(applied)) { throw .migration(fault) }
        for (index, migration) in applied.enumerated() {
            guard migration.number == index + 1 else { throw .migration(.gap(missing: index + 1)) }
            guard index >= files.count || migration.checksum == checksums[index] else {
                throw .migration(.checksum(file: files[index].name))
            }
        }
        return Array(zip(files, checksums).dropFirst(applied.count))
    }

    /// What a newer program applied.
    private func ahead(_ applied: [AppliedMigration]) -> [AppliedMigration] { applied.filter { $0.number > newest } }

    /// Why this program cannot work with these, which it does not know; nil if each of them says that it can.
    private func fault(_ newer: [AppliedMigration]) -> MigrationFault? {
        guard let last = newer.last, newer.contains(where: { $0.compatibleFrom > newest }) else { return nil }
        return .newer(database: last.number, code: newest)
    }

    private func onOwnConnection<R: Sendable>(
        _ configuration: PostgresConfiguration,
        _ body: @escaping @Sendable (Session, Ledger) throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let pool = ConnectionPool(configuration, size: 1, waitLimit: configuration.connectTimeout)
        let ledger = Ledger(configuration)
        let result = await pool.result(deadline: deadline) { session throws(PostgresError) in
            try body(session, ledger)
        }
        await pool.close()
        return try result.get()
    }
}

/// A migration that the database has.
package struct AppliedMigration: Sendable, Equatable {
    /// From 1.
    package let number: Int
    /// The file's name when it was applied.
    package let name: String
    /// SHA-256 of the file, in hex.
    package let checksum: String
    /// The lowest number that a program may have reached which works with this.
    package let compatibleFrom: Int
    /// By the database's clock.
    package let appliedAt: Date
}

/// Where a database stands.
package struct MigrationStatus: Sendable, Equatable {
    /// In order.
    package let applied: [AppliedMigration]
    /// The names of the files that `migrate` would apply.
    package let pending: [String]
    /// The names of what a newer program applied, and this one can work with.
    package let ahead: [String]
    /// Why it would refuse.
    package let fault: MigrationFault?

    /// Whether this program can work on this database.
    package var isCurrent: Bool { pending.isEmpty && fault == nil }
}
