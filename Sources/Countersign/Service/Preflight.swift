package import FailPoints
import FoundationEssentials
import Glibc
package import Postgres

/// What `serve` refuses to start with: each would make a promise of ours hollow without anybody noticing.
package enum PreflightError: Error, Sendable, Equatable {
    /// `fsync` or `synchronous_commit` is off for whoever connects by that key: a 202 would not mean that the push is kept.
    case databaseForgets(setting: String, key: String)
    case migrationsPending([String])
    /// The server is older than what our statements are written for.
    case databaseTooOld(version: String)
    case migrationFault(String)
    /// It cannot be connected to, or asked, by that key.
    case database(PostgresError, key: String)
    /// What was found by that key cannot be judged.
    case unexpected(String, key: String)
    /// A fail point is set in production: the process would die or lie at it.
    case failPointInProduction
    case failPoint(FailPointError)

    package var code: String {
        switch self {
        case .databaseForgets: "database.not_durable"
        case .migrationsPending: "database.migrations_pending"
        case .databaseTooOld: "database.too_old"
        case .migrationFault: "database.migration_fault"
        case .database(let error, _): error.code
        case .unexpected: "database.unexpected"
        case .failPointInProduction: "fail_point.production"
        case .failPoint(.notCompiledIn): "fail_point.not_compiled_in"
        case .failPoint(.malformed), .failPoint(.unknown), .failPoint(.noAnswer): "fail_point.invalid"
        }
    }

    package var observed: String {
        switch self {
        case .databaseForgets(let setting, let key):
            "sessions of \(key) run with \(setting) off: the database may forget what they commit"
        case .migrationsPending(let names): "the database lacks \(names.joined(separator: ", "))"
        case .migrationFault(let why): why
        case .databaseTooOld(let version): "the database is PostgreSQL \(version)"
        case .database(let error, _): "\(error)"
        case .unexpected(let why, _): why
        case .failPointInProduction: "\(FailPointSetting.variable) is set"
        case .failPoint(let error): "\(FailPointSetting.variable) is set, and \(error)"
        }
    }

    package var fix: String {
        switch self {
        case .databaseForgets(let setting, _):
            "turn \(setting) on (server, database, role and URL can each turn it off); or, for trials only, set "
                + "environment: development"
        case .migrationsPending: "run `countersign migrate`"
        case .databaseTooOld: "use PostgreSQL \(Preflight.oldestServer) or later"
        case .migrationFault:
            "use the version of countersign that belongs to this database, or restore the migration file"
        case .database(let error, let key): "\(key): \(error.fix)"
        case .unexpected(_, let key): "see that \(key) is right and the database is up"
        case .failPointInProduction: "unset it; fail points are for tests, with environment: development"
        case .failPoint(.notCompiledIn): "unset it, or build with COUNTERSIGN_FAIL_POINTS=1 for a test"
        case .failPoint(.malformed), .failPoint(.unknown), .failPoint(.noAnswer):
            "Sources/FailPoints/FailPoint.swift names the steps"
        }
    }
}

/// The checks before the first claim.
package struct Preflight: Sendable {
    private let configuration: Configuration

    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// The oldest major version of PostgreSQL that our statements are tested with.
    static let oldestServer = 15

    /// - Parameter number: `server_version_num`: the major version times 10,000.
    /// - Throws: ``PreflightError/databaseTooOld(version:)``
    static func check(serverVersion number: Int, _ version: String) throws(PreflightError) {
        guard number >= oldestServer * 10_000 else { throw .databaseTooOld(version: version) }
    }

    /// Whether the server is one that our statements work on; before it is migrated, too.
    /// - Throws: ``PreflightError/databaseTooOld(version:)``, ``PostgresError``
    package static func server(of connection: PostgresConfiguration) async throws {
        let pool = ConnectionPool(connection, size: 1)
        let rows: [Row]
        do {
            rows = try await pool.query(
                """
                SELECT current_setting('server_version_num')::bigint AS number, current_setting('server_version') AS version
                """)
            await pool.close()
        } catch {
            await pool.close()
            throw error
        }
        guard let row = rows.first else { return }
        try check(serverVersion: Int(try row.decode("number", as: Int64.self)), try row.decode("version"))
    }

    /// No core dumps: an ephemeral key must not survive the process on a disk. A limit of zero is not heeded where a program takes
    /// the dumps (core(5), `core_pattern` with a pipe); one of a single byte the kernel passes over there, too, and no file is so
    /// small. Not by `PR_SET_DUMPABLE`: whose daemon it is could not count its descriptors in `/proc` any more.
    package static func forbidCoreDumps() {
        // zero where that was the hard limit already, which only root raises
        for bytes: rlim_t in [1, 0] {
            var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
            if setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 { return }
        }
    }

    /// Arms the fail point that the environment names, if it names one.
    /// - Parameter setting: the value of ``FailPointSetting/variable``.
    package func failPoint(_ setting: String?) throws(PreflightError) {
        guard let setting, !setting.isEmpty else { return }
        guard configuration.environment == .development else { throw .failPointInProduction }
        do {
            try FailPoint.arm(try FailPointSetting(parsing: setting))
        } catch {
            throw .failPoint(error)
        }
    }

    /// Durable, and of this version, or migrated by a newer one in a way that suits this one.
    /// - Returns: what knows the migrations of this version.
    @discardableResult
    package func database(migrations directory: String) async throws(PreflightError) -> Migrator {
        let migrator = try await asking(.work) { connection in
            let migrator = try Migrator(directory: directory)
            try await Self.server(of: connection)
            let status = try await migrator.status(using: connection)
            if let fault = status.fault { throw PreflightError.migrationFault("\(fault)") }
            guard status.pending.isEmpty else { throw PreflightError.migrationsPending(status.pending) }
            return migrator
        }
        // a role or a URL can have a setting of its own, and what is answered 202 is committed as the intake
        for purpose in configuration.database.purposes where purpose == .work || purpose == .intake {
            try await asking(purpose) { try await keepsCommits(by: purpose, $0) }
        }
        return migrator
    }

    private func keepsCommits(
        by purpose: DatabaseConfiguration.Purpose, _ connection: PostgresConfiguration
    ) async throws {
        let pool = ConnectionPool(connection, size: 1)
        let rows = try await pool.query(
            "SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off' ORDER BY name"
        )
        await pool.close()
        guard configuration.environment == .production, let row = rows.first else { return }
        throw PreflightError.databaseForgets(setting: try row.decode("name"), key: purpose.key)
    }

    private func asking<Answer: Sendable>(
        _ purpose: DatabaseConfiguration.Purpose, _ look: (PostgresConfiguration) async throws -> Answer
    ) async throws(PreflightError) -> Answer {
        do {
            return try await look(
                try configuration.database.connection(for: purpose, applicationName: "countersign preflight"))
        } catch let error as PreflightError {
            throw error
        } catch let error as PostgresError {
            throw .database(error, key: purpose.key)
        } catch {
            throw .unexpected("\(error)", key: purpose.key)
        }
    }
}
