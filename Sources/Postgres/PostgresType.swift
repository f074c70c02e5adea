/// A PostgreSQL type, by the OID that `pg_type` gives it. Only built-in types have stable OIDs; those are named here.
package struct PostgresType: RawRepresentable, Hashable, Sendable {
    /// The OID; 0 leaves the choice to the server.
    package let rawValue: UInt32

    /// Any type, also one that the database itself defines.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The server infers the parameter's type from where it stands; such a value is sent as text.
    package static let inferred = PostgresType(rawValue: 0)

    /// `boolean`.
    package static let bool = PostgresType(rawValue: 16)
    /// `bytea`.
    package static let bytea = PostgresType(rawValue: 17)
    /// `bigint`.
    package static let int8 = PostgresType(rawValue: 20)
    /// `smallint`.
    package static let int2 = PostgresType(rawValue: 21)
    /// `integer`.
    package static let int4 = PostgresType(rawValue: 23)
    /// `text`.
    package static let text = PostgresType(rawValue: 25)
    /// `oid`.
    package static let oid = PostgresType(rawValue: 26)
    /// `json`.
    package static let json = PostgresType(rawValue: 114)
    /// `real`.
    package static let float4 = PostgresType(rawValue: 700)
    /// `double precision`.
    package static let float8 = PostgresType(rawValue: 701)
    /// `timestamp with time zone`.
    package static let timestamptz = PostgresType(rawValue: 1184)
    /// `interval`.
    package static let interval = PostgresType(rawValue: 1186)
    /// `numeric`.
    package static let numeric = PostgresType(rawValue: 1700)
    /// `uuid`.
    package static let uuid = PostgresType(rawValue: 2950)
    /// `jsonb`.
    package static let jsonb = PostgresType(rawValue: 3802)
    /// `xid8`.
    package static let xid8 = PostgresType(rawValue: 5069)

    static let char = PostgresType(rawValue: 18)
    static let name = PostgresType(rawValue: 19)
    static let xml = PostgresType(rawValue: 142)
    static let unknown = PostgresType(rawValue: 705)
    static let bpchar = PostgresType(rawValue: 1042)
    static let varchar = PostgresType(rawValue: 1043)

    /// The OID of the array over this type, for the types that may be sent as arrays.
    var array: PostgresType? {
        switch self {
        case .bool: PostgresType(rawValue: 1000)
        case .bytea: PostgresType(rawValue: 1001)
        case .int2: PostgresType(rawValue: 1005)
        case .int4: PostgresType(rawValue: 1007)
        case .text: PostgresType(rawValue: 1009)
        case .int8: PostgresType(rawValue: 1016)
        case .float8: PostgresType(rawValue: 1022)
        case .timestamptz: PostgresType(rawValue: 1185)
        case .interval: PostgresType(rawValue: 1187)
        case .uuid: PostgresType(rawValue: 2951)
        default: nil
        }
    }

    /// OIDs from 16384 on belong to types made in this database; the only ones we read are enums, as their labels.
    var isUserDefined: Bool { rawValue >= 16384 }
}

extension PostgresType: CustomStringConvertible {
    /// The type's SQL name where it is one of the named ones, else its OID.
    package var description: String {
        switch self {
        case .inferred: "inferred"
        case .bool: "bool"
        case .bytea: "bytea"
        case .int8: "int8"
        case .int2: "int2"
        case .int4: "int4"
        case .text: "text"
        case .oid: "oid"
        case .json: "json"
        case .float4: "float4"
        case .float8: "float8"
        case .timestamptz: "timestamptz"
        case .interval: "interval"
        case .numeric: "numeric"
        case .uuid: "uuid"
        case .jsonb: "jsonb"
        case .xid8: "xid8"
        case .varchar: "varchar"
        default: "type with OID \(rawValue)"
        }
    }
}
