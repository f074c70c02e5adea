import FoundationEssentials
import Postgres
import Support
import Testing

@Suite struct ValueTests {
    private enum Lane: Int16, PostgresValue { case live = 0, bulk = 2 }

    /// Sends the value, lets the server print it as text, and reads it back.
    private func roundTrip<Value: PostgresValue & Equatable>(_ value: Value, cast: Query) async throws -> (
        Value, String?
    ) {
        let pool = try await PostgresCluster.pool()
        let row = try await pool.query("SELECT \(value)::\(cast) AS v, (\(value)::\(cast))::text AS t")[0]
        await pool.close()
        return (try row.decode("v"), try row.decode("t"))
    }

    private func expect<Value: PostgresValue & Equatable>(
        _ value: Value, _ cast: Query, prints text: String?, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let (back, printed) = try await roundTrip(value, cast: cast)
        #expect(back == value, sourceLocation: location)
        #expect(printed == text, sourceLocation: location)
    }

    @Test func `numbers and truth come back as they went`() async throws {
        try await expect(Int.min, "bigint", prints: "-9223372036854775808")
        try await expect(Int64.max, "bigint", prints: "9223372036854775807")
        try await expect(Int32.min, "int", prints: "-2147483648")
        try await expect(Int16.max, "smallint", prints: "32767")
        try await expect(0.1 + 0.2, "float8", prints: "0.30000000000000004")
        try await expect(-Double.infinity, "float8", prints: "-Infinity")
        try await expect(true, "boolean", prints: "true")
        try await expect(false, "boolean", prints: "false")
        try await expect(Lane.bulk, "smallint", prints: "2")
    }

    @Test func `text and bytes come back as they went`() async throws {
        try await expect("", "text", prints: "")
        try await expect("añ\u{1F600}\n'\"\\ ;--", "text", prints: "añ\u{1F600}\n'\"\\ ;--")
        try await expect(#"{"a": [1, null]}"#, "jsonb", prints: #"{"a": [1, null]}"#)
        try await expect(#"{"a":1}"#, "json", prints: #"{"a":1}"#)
        try await expect([0, 1, 0, 255, 92, 39, 0] as [UInt8], "bytea", prints: #"\x000100ff5c2700"#)
        try await expect([] as [UInt8], "bytea", prints: #"\x"#)
        let every = (0...255).map { UInt8($0) }
        #expect(try await roundTrip(every, cast: "bytea").0 == every)
        let id = try #require(UUID(uuidString: "0198A5C2-7B9D-7000-8000-00000000ABCD"))
        try await expect(id, "uuid", prints: "0198a5c2-7b9d-7000-8000-00000000abcd")
    }

    @Test func `times are exact to the microsecond`() async throws {
        let pool = try await PostgresCluster.pool()
        let row = try await pool.query(
            """
            SELECT '2026-11-23 21:09:03.123456+00'::timestamptz AS a, 'infinity'::timestamptz AS b,
                   '-infinity'::timestamptz AS c, '1969-12-31 23:59:59.999999+00'::timestamptz AS d,
                   '2 days 00:00:00.000001'::interval AS e, '1 month'::interval AS f, '2026-01-01'::timestamp AS g
            """)[0]
        let a: Date = try row.decode("a")
        #expect((a.timeIntervalSince1970 * 1e6).rounded() == 1_795_468_143_123_456)
        #expect(try row.decode("b") == Date.distantFuture)
        #expect(try row.decode("c") == Date.distantPast)
        #expect((try row.decode("d", as: Date.self).timeIntervalSince1970 * 1e6).rounded() == -1)
        #expect(try row.decode("e") == Duration.seconds(172_800) + .microseconds(1))
        #expect(throws: PostgresError.decoding(column: "f", expected: "Duration", found: "interval with months")) {
            try row.decode("f", as: Duration.self)
        }
        #expect(throws: PostgresError.self) { try row.decode("g", as: Date.self) }

        let back = try await pool.query(
            """
            SELECT to_char(\(a) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS a, (\(Date.distantPast))::text AS b,
                   (\(Date.distantFuture))::text AS c, (\(Duration.milliseconds(-1500)))::text AS d
            """)[0]
        #expect(try back.decode("a") == "2026-11-23 21:09:03.123456")
        #expect(try back.decode("b") == "-infinity")
        #expect(try back.decode("c") == "infinity")
        #expect(try back.decode("d") == "-00:00:01.5")
        await pool.close()
    }

    @Test func `arrays come back as they went, with and without NULL`() async throws {
        try await expect([1, -2, .max] as [Int64], "bigint[]", prints: "{1,-2,9223372036854775807}")
        try await expect([1, 2] as [Int], "bigint[]", prints: "{1,2}")
        try await expect([1, nil] as [Int32?], "int[]", prints: "{1,NULL}")
        try await expect([true, false], "boolean[]", prints: "{t,f}")
        try await expect([0.5, nil] as [Double?], "float8[]", prints: "{0.5,NULL}")
        try await expect(["a,b", "\"", "", "NULL"], "text[]", prints: #"{"a,b","\"","","NULL"}"#)
        try await expect([nil, "x"] as [String?], "text[]", prints: "{NULL,x}")
        try await expect([[0, 1], [], [255]] as [[UInt8]], "bytea[]", prints: #"{"\\x0001","\\x","\\xff"}"#)
        try await expect([[0], nil] as [[UInt8]?], "bytea[]", prints: #"{"\\x00",NULL}"#)
        try await expect([] as [String], "text[]", prints: "{}")
        let dates = [Date(timeIntervalSince1970: 0.000001), Date(timeIntervalSince1970: 1_700_000_000)]
        #expect(try await roundTrip(dates, cast: "timestamptz[]").0 == dates)
    }

    @Test func `NULL is nil, and never something else`() async throws {
        let pool = try await PostgresCluster.pool()
        let row = try await pool.query(
            "SELECT \(Int?.none)::bigint AS a, \(String?.none)::text AS b, \([UInt8]?.none) AS c, \([Int]?.none) AS d")[
                0]
        #expect(try row.decode("a", as: Int?.self) == nil)
        #expect(try row.decode("b", as: String?.self) == nil)
        #expect(try row.decode("c", as: [UInt8]?.self) == nil)
        #expect(try row.decode("d", as: [Int]?.self) == nil)
        for column in ["a", "b", "c", "d"] {
            #expect(throws: PostgresError.self) { try row.decode(column, as: Int.self) }
            #expect(throws: PostgresError.self) { try row.decode(column, as: String.self) }
            #expect(throws: PostgresError.self) { try row.decode(column, as: [UInt8].self) }
            #expect(throws: PostgresError.self) { try row.decode(column, as: [Int].self) }
        }
        await pool.close()
    }

    @Test func `numeric is read as what it is`() async throws {
        let pool = try await PostgresCluster.pool()
        let texts = [
            "0", "-1", "10000", "123456789012345678901234567890", "0.0001", "-12345.67890", "1.00", "0.00000001", "NaN",
            "Infinity", "100000000",
        ]
        for text in texts {
            let row = try await pool.query("SELECT \(text)::numeric AS n")[0]
            #expect(try row.decode("n", as: String.self) == text)
        }
        let row = try await pool.query(
            "SELECT sum(n) AS total, extract(epoch FROM '1.5 s'::interval) AS e, 0.5 AS h FROM unnest(\([1, 2, 3])) AS t (n)"
        )[0]
        #expect(try row.decode("total", as: Int.self) == 6)
        #expect(try row.decode("e", as: Double.self) == 1.5)
        #expect(throws: PostgresError.self) { try row.decode("h", as: Int.self) }
        await pool.close()
    }

    @Test func `a value that does not fit is an error, not another value`() async throws {
        let pool = try await PostgresCluster.pool()
        let row = try await pool.query(
            "SELECT 3000000000 AS big, 7::smallint AS lane, 1 AS x, 2 AS x, 'a'::text AS t, '\\x00'::bytea AS b, point(1, 2) AS p"
        )[0]
        #expect(throws: PostgresError.self) { try row.decode("big", as: Int32.self) }
        #expect(throws: PostgresError.self) { try row.decode("lane", as: Lane.self) }
        #expect(throws: PostgresError.self) { try row.decode("x", as: Int.self) }
        #expect(throws: PostgresError.self) { try row.decode("X", as: Int.self) }
        #expect(throws: PostgresError.self) { try row.decode("t", as: Int.self) }
        #expect(throws: PostgresError.self) { try row.decode("b", as: String.self) }
        #expect(throws: PostgresError.self) { try row.decode("p", as: String.self) }
        #expect(throws: PostgresError.self) { try row.decode("p", as: [Double].self) }
        #expect(throws: PostgresError.self) { try row.decode(99, as: Int.self) }
        await pool.close()
    }

    @Test func `what PostgreSQL cannot hold is refused before it is sent`() async throws {
        let pool = try await PostgresCluster.pool()
        await #expect(throws: PostgresError.unrepresentable(parameter: 2, reason: "text with a NUL character")) {
            try await pool.query("SELECT \(1), \("a\0b")")
        }
        await #expect(throws: PostgresError.self) { try await pool.query("SELECT \(["a\0b"])") }
        await #expect(throws: PostgresError.self) {
            try await pool.query("SELECT \(Date(timeIntervalSince1970: .nan))")
        }
        #expect(try await pool.query("SELECT 1 AS n")[0].decode("n", as: Int.self) == 1)
        await pool.close()
    }
}
