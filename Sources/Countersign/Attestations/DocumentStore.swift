import OCI
import OpenSSL
package import Postgres

/// Documents in the database, in parts of at most 1 MiB: neither a statement's parameter nor this process ever holds one
/// whole because of storing or reading it.
package struct DocumentStore: Sendable {
    let pool: ConnectionPool

    /// The size of every part but the last.
    static let partBytes = 1 << 20

    package init(pool: ConnectionPool) { self.pool = pool }

    /// Begins a document. Until ``Spool/finish(in:)`` it is nobody's, and ``Retention`` deletes it when it is left so.
    func spool() async throws(QueueError) -> Spool {
        let rows = try await pool.rows("INSERT INTO countersign.document DEFAULT VALUES RETURNING id")
        guard let id = try rows.values({ try $0.decode("id", as: Int64.self) }).first else {
            throw .unreadable(table: "document", what: "the row just written")
        }
        return Spool(id: id, pool: pool)
    }

    /// Reads a document, part by part, in order.
    func read(
        _ document: Int64, _ part: (_ bytes: [UInt8]) async throws -> Void
    ) async throws {
        var number: Int32 = 0
        while true {
            let rows = try await pool.rows(
                """
                SELECT bytes FROM countersign.document_part
                WHERE document_id = \(document) AND number = \(number)
                """)
            guard let bytes = try rows.values({ try $0.decode("bytes", as: [UInt8].self) }).first else { break }
            try await part(bytes)
            number += 1
        }
        guard number > 0 else { throw QueueError.unreadable(table: "document_part", what: "document \(document)") }
    }

    /// A document in one piece. For whoever holds its size in ``DocumentMemory``.
    func whole(_ document: Int64, size: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        try await read(document) { bytes += $0 }
        return bytes
    }
}

extension DocumentStore {
    /// A document that is being received: bytes go in, parts come out, and the digest is known at the end.
    struct Spool: ~Copyable {
        let id: Int64
        private let pool: ConnectionPool
        private var hash = SHA256Stream()
        private var buffer: [UInt8] = []
        private var number: Int32 = 0
        private(set) var size = 0

        fileprivate init(id: Int64, pool: ConnectionPool) {
            self.id = id
            self.pool = pool
        }

        mutating func append(_ bytes: [UInt8]) async throws(QueueError) {
            hash.update(bytes)
            size += bytes.count
            buffer += bytes
            while buffer.count >= DocumentStore.partBytes {
                try await store(Array(buffer.prefix(DocumentStore.partBytes)))
                buffer.removeFirst(DocumentStore.partBytes)
            }
        }

        private mutating func store(_ part: [UInt8]) async throws(QueueError) {
            let (id, number) = (id, number)
            _ = try await pool.rows(
                "INSERT INTO countersign.document_part (document_id, number, bytes) VALUES (\(id), \(number), \(part))")
            self.number += 1
        }

        /// Stores the rest and tells what it was.
        consuming func close() async throws(QueueError) -> Received {
            if !buffer.isEmpty { try await store(buffer) }
            let hex = Hex.encode(hash.finish())
            return Received(id: id, hex: hex, size: size)
        }
    }

    /// A document that arrived whole. Not yet anybody's.
    struct Received: Sendable {
        let id: Int64
        let hex: String
        let size: Int

        var digest: String { "sha256:\(hex)" }
    }

    /// Deletes what was received and is not wanted. What cannot be deleted now, ``Retention`` deletes.
    func discard(_ document: Int64) async {
        let pool = pool
        // in a task of its own: a sender who went away cancelled this one
        await Task {
            _ = try? await pool.rows("DELETE FROM countersign.document WHERE id = \(document) AND digest IS NULL")
        }.value
    }

    /// Makes a received document one that is kept, or finds the same that was kept before.
    /// - Returns: the id of the row that has it.
    static func keep(_ received: Received, in session: Session) throws -> Int64 {
        // sent twice at once, about two artifacts: one of them finds the other's
        _ = try session.query("SELECT pg_advisory_xact_lock(hashtextextended(\(received.digest)::text, 0))")
        let known = try session.query(
            "SELECT id FROM countersign.document WHERE digest = \(received.digest)::text FOR UPDATE")
        if let row = known.first {
            _ = try session.execute("DELETE FROM countersign.document WHERE id = \(received.id) AND digest IS NULL")
            return try row.decode("id")
        }
        _ = try session.execute(
            """
            UPDATE countersign.document SET digest = \(received.digest)::text, size = \(Int64(received.size))
            WHERE id = \(received.id)
            """)
        return received.id
    }
}
