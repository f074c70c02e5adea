import CPostgres

/// How a database is reached, and what each connection to it is set to. Its description has no password.
package struct PostgresConfiguration: Sendable {
    /// libpq's connection parameters, by keyword.
    var parameters: [String: String]

    /// The schemas of unqualified names, in order. Empty leaves the server's default.
    package var searchPath: [String] = []
    /// Shown in `pg_stat_activity`.
    package var applicationName = "countersign"
    /// Set once per connection, by name: `statement_timeout`, `idle_in_transaction_session_timeout`, planner settings such
    /// as `enable_seqscan`. Nothing is set that is not listed here.
    package var sessionSettings: [String: String] = [:]
    /// How long a connection attempt may take, from the first packet to the last setting. Resolving a host name is not
    /// covered: libpq does that in one blocking call.
    package var connectTimeout: Duration = .seconds(5)
    /// How long one statement may take before it is cancelled. A session's own deadline replaces it.
    package var statementDeadline: Duration = .seconds(5)
    /// How long the server may take to confirm a cancellation before the connection is closed instead.
    package var cancelGrace: Duration = .seconds(1)
    /// Whether statements are prepared once per connection. Off behind a pooler that shares connections between
    /// transactions: a statement prepared on one server process is unknown to the next.
    package var preparesStatements = true

    /// - Parameters:
    ///   - url: `postgresql://user@host:port/database?sslmode=…`, or libpq's `key=value` form.
    ///   - password: goes before one in the URL.
    /// - Throws: ``PostgresError/configuration(_:)``, which does not repeat the URL: it may hold a password.
    package init(url: String, password: String? = nil) throws(PostgresError) {
        var complaint: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(url, &complaint)
        defer { PQconninfoFree(options) }
        PQfreemem(complaint)
        guard var option = options else {
            throw .configuration("the database URL is malformed (expected postgresql://user@host:port/database)")
        }
        var parameters: [String: String] = [:]
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { parameters[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        parameters["password"] = password ?? parameters["password"]
        self.parameters = parameters
    }

    /// The database's name, where the URL has one.
    package var database: String? { parameters["dbname"] }

    /// The hosts that libpq tries one after another; one without a name where the URL has none.
    var hosts: [Substring] {
        (parameters["host"] ?? parameters["hostaddr"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
    }

    /// Whether nobody in between can pose as the server: it is on this machine, or must prove its name
    /// (`sslmode=verify-full`). libpq's default, `prefer`, takes any server, also one without TLS.
    package var isServerProven: Bool {
        let isLocal = hosts.allSatisfy {
            $0.isEmpty || $0.hasPrefix("/") || $0 == "localhost" || $0 == "::1" || $0.hasPrefix("127.")
        }
        return isLocal || parameters["sslmode"] == "verify-full"
    }

    /// The same server and role, another database.
    package func with(database: String) -> PostgresConfiguration {
        var copy = self
        copy.parameters["dbname"] = database
        return copy
    }

    /// What libpq is given. Everything else is set once the connection stands, because poolers refuse unknown options.
    var connectParameters: [(String, String)] {
        var all = parameters
        all["application_name"] = applicationName
        all["client_encoding"] = "UTF8"
        return all.sorted { $0.key < $1.key }
    }

    /// Settings by name, the search path among them.
    var settings: [(name: String, value: String)] {
        var all = sessionSettings.map { (name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
        if !searchPath.isEmpty {
            all.append(("search_path", searchPath.map(quotedIdentifier).joined(separator: ", ")))
        }
        return all
    }
}

extension PostgresConfiguration: CustomStringConvertible, CustomReflectable {
    package var description: String {
        let place = ["user", "host", "port", "dbname"].compactMap { key in parameters[key].map { "\(key)=\($0)" } }
        return "PostgreSQL " + place.joined(separator: " ")
    }

    /// `dump` and string interpolation of an enclosing value go through here, not past ``description``.
    package var customMirror: Mirror { Mirror(self, children: ["place": description]) }
}
