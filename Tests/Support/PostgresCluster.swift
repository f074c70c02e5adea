import FoundationEssentials
import Glibc
package import Postgres

/// A private PostgreSQL of this test process: a fresh cluster in a temporary folder, reached through a Unix socket and a
/// loopback port, gone when the process ends.
public actor PostgresCluster {
    /// The cluster all tests of this process share. Started when it is first asked for.
    public static func shared() async throws -> PostgresCluster { try await start.value }

    private static let start = Task { try await PostgresCluster() }

    /// A new database of the shared cluster. With a folder of migrations (relative to the package) it is a copy of a
    /// template to which they were applied once.
    package static func database(migratedFrom directory: String? = nil) async throws -> PostgresConfiguration {
        try await shared().database(migratedFrom: directory)
    }

    /// A pool on the shared cluster's maintenance database, for tests that make no tables.
    package static func pool() async throws -> ConnectionPool {
        ConnectionPool(try await shared().administrator, size: 1, waitLimit: .seconds(60))
    }

    /// The superuser's way to the maintenance database.
    package nonisolated let administrator: PostgresConfiguration
    /// The loopback port; `127.0.0.1` accepts every role without a password.
    public nonisolated let port: Int
    private let folder: String
    private let supervisor: ChildProcess
    private let pool: ConnectionPool
    /// Databases are dropped on a connection of their own: a drop takes as long as a creation, and waits for nobody.
    let dropping: ConnectionPool
    private var templates: [String: Task<String, any Error>] = [:]
    private var count = 0
    var released: [Released] = []
    var isDropping = false

    /// The root that its certificate chains to, where it has one.
    public nonisolated var rootFile: String { folder + "/root.pem" }

    /// A cluster of its own, for tests that restart it. Others take ``shared()``.
    /// - Parameters:
    ///   - name: it speaks TLS, with a certificate for this name from an authority of its own.
    ///   - isExpired: that certificate ended yesterday.
    public init(provenAs name: String? = nil, isExpired: Bool = false) async throws {
        let port = try freePort()
        let folder = "/tmp/cs-pg-" + UUID().uuidString.prefix(8).lowercased()
        supervisor = try ChildProcess(
            Self.asServerUser + [
                "sh", "-c", Self.script, "sh", folder, "\(port)", try Self.programs(), name ?? "",
                isExpired ? "-1" : "2",
            ])
        try await supervisor.waitForOutput("READY")
        var configuration = try PostgresConfiguration(
            url: "host=\(folder) port=\(port) user=postgres dbname=postgres sslmode=disable")
        configuration.applicationName = "tests"
        // a busy machine is slow, and what a test holds open on purpose is not to be cut off meanwhile; a test of limits sets its own
        configuration.connectTimeout = .seconds(60)
        configuration.statementDeadline = .seconds(300)
        (self.port, self.folder, administrator) = (port, folder, configuration)
        pool = ConnectionPool(configuration, size: 2, waitLimit: .seconds(60))
        dropping = ConnectionPool(configuration, size: 1, waitLimit: .seconds(60))
    }

    /// Makes the cluster, starts it and waits for the end of standard input, which comes with the end of the test
    /// process even when that is killed. Durability is off: nothing here outlives the process.
    private static let script = """
        folder=$1; port=$2; PATH=$3:$PATH name=$4 days=$5
        trap '' INT TERM HUP
        mkdir -m 700 "$folder" || exit 1
        cd "$folder"
        certify() {
            ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            openssl req -x509 $ec -days 2 -subj '/CN=Test Authority' -keyout root.key -out root.pem &&
            openssl req -new $ec -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -addext basicConstraints=critical,CA:FALSE \\
                -keyout server.key -out server.csr &&
            openssl x509 -req -in server.csr -copy_extensions copy -days "$days" -CA root.pem -CAkey root.key -out server.pem &&
            printf '%s\\n' 'ssl = on' "ssl_cert_file = '$folder/server.pem'" "ssl_key_file = '$folder/server.key'" >>data/postgresql.conf
        }
        {
            initdb -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync &&
            printf '%s\\n' "unix_socket_directories = '$folder'" "port = $port" "listen_addresses = '127.0.0.1'" \\
                'fsync = off' 'full_page_writes = off' 'max_connections = 200' 'max_wal_size = 256MB' >>data/postgresql.conf &&
            { [ -z "$name" ] || certify; } &&
            pg_ctl -D "$folder/data" -l log -w -t 60 -s start
        } </dev/null >start.log 2>&1 || { cat start.log; cd /; rm -rf "$folder"; exit 1; }
        echo READY
        read -r _
        pg_ctl -D data -m immediate -s stop </dev/null >stop.log 2>&1
        cd /; rm -rf "$folder"
        """

    // MARK: Databases

    package func database(migratedFrom directory: String? = nil) async throws -> PostgresConfiguration {
        let template = if let directory { try await template(directory) } else { "template0" }
        count += 1
        let name = "test_\(count)"
        try await create(name, from: template)
        return administrator.with(database: name)
    }

    private func template(_ directory: String) async throws -> String {
        let path = directory.hasPrefix("/") ? directory : packageRoot + "/" + directory
        if let task = templates[path] { return try await task.value }
        let name = "migrated_\(templates.count + 1)"
        let task = Task {
            try await create(name, from: "template0")
            _ = try await Migrator(directory: path).migrate(using: administrator.with(database: name))
            return name
        }
        templates[path] = task
        return try await task.value
    }

    private func create(_ name: String, from template: String) async throws {
        try await pool.withSession(deadline: .seconds(60)) { session in
            _ = try session.execute(Query(unsafeSQL: "CREATE DATABASE \(name) TEMPLATE \(template)"))
        }
    }

    // MARK: Mishaps

    /// Stops the server as a power cut would, and starts it again.
    public func restartImmediately() async throws {
        try await control("-m", "immediate", "-w", "-t", "60", "restart")
    }

    /// Stops the server as a power cut would.
    public func stopImmediately() async throws { try await control("-m", "immediate", "-w", "stop") }

    /// Starts the server again.
    public func startAgain() async throws { try await control("-w", "-t", "60", "start") }

    /// Stops one server process where it stands, so that it neither answers nor goes away.
    public nonisolated func freeze(pid: Int) throws { try signal(pid, SIGSTOP) }

    /// Lets a frozen server process go on.
    public nonisolated func thaw(pid: Int) throws { try signal(pid, SIGCONT) }

    private nonisolated func signal(_ pid: Int, _ signal: Int32) throws {
        guard kill(pid_t(pid), signal) == 0 else { throw SupportError("cannot signal \(pid): errno \(errno)") }
    }

    private func control(_ arguments: String...) async throws {
        let words = [try Self.programs() + "/pg_ctl", "-D", folder + "/data", "-l", folder + "/log", "-s"] + arguments
        do {
            _ = try await ChildProcess(Self.asServerUser + words).finish()
        } catch {
            let log = FileManager.default.contents(atPath: folder + "/log").map { String(decoding: $0, as: UTF8.self) }
            throw SupportError("\(error)\n\(log?.suffix(1_000) ?? "no log")")
        }
    }

    // MARK: The machine

    /// PostgreSQL refuses to run as root.
    private static var asServerUser: [String] { geteuid() == 0 ? ["runuser", "-u", "postgres", "--"] : [] }

    /// The folder of `initdb` and `pg_ctl`: Debian's newest version, else one on the PATH.
    private static func programs() throws -> String {
        let debian = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []
        let onPath = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let folders = versions.sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }.map { "\(debian)/\($0)/bin" } + onPath
        guard let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") }) else {
            throw SupportError("no PostgreSQL server programs (initdb) on this machine: apt install postgresql")
        }
        return folder
    }
}
