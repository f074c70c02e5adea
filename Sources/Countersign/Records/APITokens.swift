package import FoundationEssentials
import OpenSSL
package import Postgres

/// Who may use the API. The database holds only the SHA-256 of a token: whoever reads it cannot use it.
package struct APITokens: Sendable {
    private let pool: ConnectionPool
    private let tenants: [TenantConfiguration]

    /// - Parameter tenants: of the configuration, for whoever authenticates: what a token of theirs is confined to.
    package init(pool: ConnectionPool, tenants: [TenantConfiguration] = []) {
        self.pool = pool
        self.tenants = tenants
    }

    package enum Role: String, Sendable, CaseIterable, Comparable {
        /// Reads.
        case viewer
        /// Also sends documents to be attested, but all of it only within its scope.
        case attester
        /// Also asks for signatures, signs anew, revokes, commands jobs and batches, and sends documents for every repository.
        case `operator`
        /// Also has the last word on what others hold back: lifts revocations, and approves batches.
        case admin

        package static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .viewer: 0
            case .attester: 1
            case .operator: 2
            case .admin: 3
            }
        }
    }

    /// Whom a request comes from.
    package struct Principal: Sendable, Equatable {
        /// nil for who came with an issuer's token, not with one of ours.
        package let tokenID: Int64?
        package let name: String
        package let role: Role
        /// What it is confined to; nil for everything.
        package let scope: TokenScope?
        /// Who is told from others where two persons must agree.
        package let person: String

        /// - Parameter person: whose token it is, where that was said; without one it is a person by its own name.
        package init(tokenID: Int64?, name: String, role: Role, scope: TokenScope?, person: String? = nil) {
            self.tokenID = tokenID
            self.name = name
            self.role = role
            self.scope = scope
            self.person = person ?? name
        }
    }

    /// A token as a list shows it: everything but the token.
    package struct Entry: Sendable, Equatable {
        package let id: Int64
        package let name: String
        package let role: Role
        package let scope: TokenScope?
        /// Whose it is; nil where nobody said.
        package let person: String?
        package let createdAt: Date
        package let expiresAt: Date?
        package let revokedAt: Date?
        package let lastUsedAt: Date?
    }

    /// Makes a token, `cs_<role>_<64 hex digits>`. The answer is the only time it can be read.
    /// - Parameters:
    ///   - name: of whom or what it is for; unique among tokens that are not revoked.
    ///   - lifetime: from now, by the database's clock; `nil` for one that never expires.
    ///   - scope: what it is confined to; required for an attester.
    ///   - person: whose it is: a person's tokens do not approve what they asked for.
    ///   - user: of the command line, for the audit log.
    /// - Throws: ``QueueError/unstorable(code:constraint:)``: 23505 when the name is taken, 23514 when scope and role do not agree.
    package func create(
        name: String, role: Role, lifetime: Duration?, scope: TokenScope? = nil, person: String? = nil,
        by user: String = "unknown"
    ) async throws(QueueError) -> String {
        let token = "cs_\(role.rawValue)_" + Hex.encode(SecureRandom.bytes(32))
        // of an attester always something is written: the rule of the table
        let types = role == .attester ? scope?.predicateTypes : scope?.onlyTypes
        var act = AuditLog.Entry(action: "token.create", atCommandLineBy: user)
        act.detail =
            "\(name): \(role.rawValue)"
            + (scope.map { " of \($0)" } ?? "") + (person.map { ", person \($0)" } ?? "")
        let written = act
        _ = try await pool.together { session in
            _ = try session.execute(
                """
                INSERT INTO countersign.api_token
                    (name, role, hash, expires_at, repositories, tenants, predicate_types, person)
                VALUES (\(name)::text, \(role.rawValue)::text, \(Self.hash(token)), now() + \(lifetime)::interval,
                    \(scope?.repositories.map(\.pattern))::text[], \(scope.flatMap { $0.tenants.isEmpty ? nil : $0.tenants })::text[],
                    \(types)::text[], \(person)::text)
                """)
            try AuditLog.append(written, in: session)
        }
        return token
    }

    /// Whether a text may name a person: 1 to 128 characters that can be told apart where they are printed.
    package static func isPerson(_ text: String) -> Bool {
        (1...128).contains(text.unicodeScalars.count) && text.printable == text && !text.hasPrefix(" ")
            && !text.hasSuffix(" ")
    }

    /// Whose token it is; `nil` when it is unknown, expired or revoked. Asked anew for each request, so that revoking
    /// takes effect at once; what its tenants have is what the configuration says.
    package func authenticate(_ token: String) async throws(QueueError) -> Principal? {
        guard token.hasPrefix("cs_"), token.utf8.count <= 128 else { return nil }
        return try await pool.rows(
            """
            WITH found AS MATERIALIZED (
                SELECT id, name, role, repositories, tenants, predicate_types, person, last_used_at FROM countersign.api_token
                WHERE hash = \(Self.hash(token)) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())),
            -- to the minute is enough, and spares a write for each request
            used AS (
                UPDATE countersign.api_token SET last_used_at = now()
                WHERE id = ANY(ARRAY(SELECT id FROM found
                    WHERE last_used_at IS NULL OR last_used_at < now() - interval '1 minute'))
                RETURNING 1)
            SELECT id, name, role, repositories, tenants, predicate_types, person FROM found
            """
        ).values { row in
            Principal(
                tokenID: try row.decode("id"), name: try row.decode("name"), role: try Role(row),
                scope: try TokenScope(row)?.resolved(among: tenants), person: try row.decode("person"))
        }.first
    }

    package func list() async throws(QueueError) -> [Entry] {
        try await pool.rows(
            """
            SELECT id, name, role, repositories, tenants, predicate_types, person, created_at, expires_at, revoked_at,
                last_used_at
            FROM countersign.api_token ORDER BY id
            """
        ).values { row in
            Entry(
                id: try row.decode("id"), name: try row.decode("name"), role: try Role(row),
                scope: try TokenScope(row), person: try row.decode("person"), createdAt: try row.decode("created_at"),
                expiresAt: try row.decode("expires_at"),
                revokedAt: try row.decode("revoked_at"), lastUsedAt: try row.decode("last_used_at"))
        }
    }

    /// - Returns: whether there was a token of that name to revoke.
    package func revoke(name: String, by user: String = "unknown") async throws(QueueError) -> Bool {
        var act = AuditLog.Entry(action: "token.revoke", atCommandLineBy: user)
        act.detail = name
        let written = act
        return try await pool.together { session in
            let revoked = try session.query(
                """
                UPDATE countersign.api_token SET revoked_at = now()
                WHERE name = \(name)::text AND revoked_at IS NULL RETURNING 1
                """)
            if !revoked.isEmpty { try AuditLog.append(written, in: session) }
            return !revoked.isEmpty
        }
    }

    private static func hash(_ token: String) -> [UInt8] { Hash.sha256(Array(token.utf8)) }
}

extension APITokens.Role {
    fileprivate init(_ row: Row) throws {
        guard let role = APITokens.Role(rawValue: try row.decode("role")) else {
            throw QueueError.unreadable(table: "api_token", what: "role")
        }
        self = role
    }
}
