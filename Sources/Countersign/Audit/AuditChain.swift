import FoundationEssentials
import OpenSSL
package import Postgres

/// The chain of hashes over the audit log: each row carries the hash of the one before it, and its own.
///
/// The database computes them as rows are written (`countersign.chain_audit`); here they are computed anew, from the rows
/// alone, so that neither the database's word nor its functions are believed.
package struct AuditChain: Sendable {
    private let pool: ConnectionPool
    private static let pageLength = 1000
    /// What the first row follows.
    static let genesis = [UInt8](repeating: 0, count: 32)

    package init(pool: ConnectionPool) { self.pool = pool }

    /// What a walk along the chain found.
    package struct Walk: Sendable, Equatable {
        /// Rows that hold together, from the first on.
        package var entries: Int64 = 0
        /// The hash of the last of them.
        package var head: [UInt8] = AuditChain.genesis
        /// Where it breaks; nil if it does not.
        package var fault: Fault?
        /// The hashes at the positions that were asked for.
        package var hashes: [Int64: [UInt8]] = [:]
    }

    package struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
        package let position: Int64
        package let observed: String

        package var description: String { "row \(position): \(observed)" }
    }

    /// Walks the whole chain, page by page.
    /// - Parameter positions: whose hashes are wanted, for the anchors.
    package func walk(noting positions: Set<Int64> = []) async throws(QueueError) -> Walk {
        var walk = Walk()
        while true {
            let links = try await page(after: walk.entries)
            for link in links {
                if let fault = link.fault(after: walk.head, at: walk.entries + 1) {
                    walk.fault = fault
                    return walk
                }
                walk.entries += 1
                walk.head = link.hash
                if positions.contains(link.position) { walk.hashes[link.position] = link.hash }
            }
            if links.count < Self.pageLength { return walk }
        }
    }

    private func page(after position: Int64) async throws(QueueError) -> [Link] {
        try await pool.rows(
            """
            SELECT position, previous_hash, hash, ARRAY['countersign.audit.v1', encode(previous_hash, 'hex'),
                position::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), token_id::text,
                actor, action, repository, subject, type, digest, outcome, code, detail] AS fields
            FROM countersign.audit WHERE position > \(position) ORDER BY position LIMIT \(Int64(Self.pageLength))
            """
        ).values(Link.init)
    }

    /// One row, as far as the chain goes.
    struct Link: Sendable {
        let position: Int64
        let previousHash: [UInt8]
        let hash: [UInt8]
        let fields: [String?]

        fileprivate init(_ row: Row) throws {
            position = try row.decode("position")
            previousHash = try row.decode("previous_hash")
            hash = try row.decode("hash")
            fields = try row.decode("fields")
        }

        fileprivate func fault(after previous: [UInt8], at expected: Int64) -> Fault? {
            guard position == expected else {
                return Fault(position: expected, observed: "the row is missing; the next one is \(position)")
            }
            guard previousHash == previous else {
                return Fault(position: position, observed: "it does not follow the row before it")
            }
            guard AuditChain.hash(fields) == hash else {
                return Fault(position: position, observed: "it was changed: its hash is of something else")
            }
            return nil
        }
    }

    /// SHA-256 over the fields as netstrings, `-,` for one that is not there.
    static func hash(_ fields: [String?]) -> [UInt8] {
        var text: [UInt8] = []
        for field in fields {
            guard let field else {
                text += "-,".utf8
                continue
            }
            text += "\(field.utf8.count):\(field),".utf8
        }
        return Hash.sha256(text)
    }
}
