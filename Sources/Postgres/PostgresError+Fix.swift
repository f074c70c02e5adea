extension PostgresError {
    /// What an operator can do about it.
    package var fix: String {
        switch self {
        case .unavailable, .connectionLost:
            sqlState.flatMap(Self.fix(ofState:))
                ?? "see that the database is up and that its URL in the configuration is right"
        case .closed, .cancelled: "see that the database is up and that its URL in the configuration is right"
        case .refused: "see role, password and name of the database in its URL, and the server's pg_hba.conf"
        case .untrusted:
            "see sslmode, sslrootcert and the host in the database's URL, and whether the server's certificate has expired: "
                + "`openssl s_client -starttls postgres -connect HOST:PORT` shows it"
        case .deadline: "see what keeps the database busy: locks, its disk"
        case .poolExhausted: "try again later; if it persists, configure more connections or a faster disk"
        case .commitUnknown: "look whether it was done before it is done again"
        case .server(let report): Self.fix(ofState: report.sqlState) ?? "see the database's own log at this time"
        case .configuration: "correct it in the configuration, under database"
        case .decoding, .unrepresentable, .misuse: "report this with the text above"
        case .migration(.failed): "mend what it says, and migrate again"
        case .migration: "use the version of countersign that belongs to this database, or restore the migration file"
        }
    }

    /// What PostgreSQL's own code asks for (its documentation, Appendix A), where that is more than a look at its log.
    private static func fix(ofState state: String) -> String? {
        switch state {
        case "42501": "give the role what it needs: `countersign migrate --grant`"
        case "42P01", "42703", "3F000": "bring the database to this version: `countersign migrate`"
        case "53100": "free space on the database's disk; nothing that was acknowledged is lost"
        case "53200": "give the database's machine more memory, or its settings less to use"
        case "53300": "raise the database's max_connections, or let the daemons have fewer"
        case "53400": "raise the limit that the text names, in the database's configuration"
        case "57P01", "57P02", "57P03": "nothing, if the database is being restarted; else see its own log and start it"
        case "57P04": "restore the database that was dropped, or correct its name in its URL"
        case "57P05": "set idle_session_timeout of the role to 0"
        default: nil
        }
    }
}
