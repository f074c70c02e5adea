import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import StrictJSON
import Support
import Testing

@testable import Countersign

/// `GET /v1/log-entries`: what a monitor of the log would ask us to explain.
@Suite struct LogEntriesTests {
    private static let identity = "https://ci.example/signer"

    private static func page(_ answer: HTTPResponse) throws -> (count: String?, indexes: [String], next: String?) {
        #expect(answer.status == 200)
        let document = try JSONValue(parsing: answer.body)
        guard case .array(let entries)? = document["entries"] else { throw SupportError("no entries") }
        func number(_ value: JSONValue?) -> String? { if case .number(let text)? = value { text } else { nil } }
        return (number(document["count"]), entries.compactMap { number($0["log_index"]) }, number(document["next"]))
    }

    /// Signs an artifact under that index, or with `reason` takes the entry and puts it aside.
    private static func log(
        _ seed: String, _ index: Int64, repository: String = "team/app", abandoned reason: String? = nil,
        in queue: QueueFixture
    ) async throws {
        try await queue.push(samplePush(sampleDigest(seed), tag: seed, repository: repository))
        let claim = try await queue.claimOne()
        let evidence = try await queue.journal.prepare(prepared(seed), for: claim)
        let logged = try logged(index)
        if let reason {
            try await queue.journal.abandon(evidence, reason: reason, entry: logged, for: claim)
            _ = try await queue.queue.settle(claim, as: .retry(sampleFailure, after: .seconds(60), counts: false))
        } else {
            let stored = try await queue.journal.log(
                logged, attachment: sampleAttachment("manifest \(seed)"), of: evidence, for: claim)
            try await queue.journal.published(stored, for: claim)
            _ = try await queue.queue.settle(claim, as: .signed(sampleRecord(index)))
        }
    }

    private static func prepared(_ seed: String) throws -> Evidence.Prepared {
        var prepared = samplePrepared(seed)
        prepared.certificateChain = [try certificate().der]
        return prepared
    }

    /// A certificate such as Fulcio's, of nobody's authority.
    private static func certificate() throws -> Certificate {
        let key = try PrivateKey.generate(.ecdsaP256)
        var template = CertificateTemplate(
            notBefore: Date(timeIntervalSince1970: 1_700_000_000), notAfter: Date(timeIntervalSince1970: 1_700_000_600))
        template.subjectAlternativeNames = [.uri(identity)]
        template.extensions = [
            .init(oid: "1.3.6.1.4.1.57264.1.1", value: Array("https://issuer.example".utf8))
        ]
        return try template.issue(for: key.publicKey, signedBy: key, issuer: nil)
    }

    private static func logged(_ index: Int64) throws -> Evidence.Logged {
        var logged = sampleLogged(index)
        let entry = TlogEntry(
            logIndex: index, logID: Hash.sha256(Array("log".utf8)), kind: "dsse", version: "0.0.1",
            integratedTime: 1_700_000_000, inclusionPromise: [1], inclusionProof: nil,
            canonicalizedBody: Array("{}".utf8), uuid: uuid(index))
        logged.entry = entry.encoded()
        logged.logUUID = entry.uuid
        return logged
    }

    private static func uuid(_ index: Int64) -> String { "00000000000000aa" + sampleDigest("leaf \(index)").hex }

    @Test func `entries are found by who signed, for what, and where they are`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log("one", 11, in: doors.queue)
            try await Self.log("two", 12, in: doors.queue)
            try await Self.log("three", 13, repository: "team/other", in: doors.queue)
            let token = try await doors.token(.viewer)
            func found(_ query: String) async throws -> [String] {
                try Self.page(try await doors.get("/v1/log-entries?\(query)", token: token)).indexes
            }
            #expect(try await found("") == ["13", "12", "11"])
            #expect(try await found("identity=\(percentEncoded(Self.identity))") == ["13", "12", "11"])
            #expect(try await found("identity=somebody") == [])
            #expect(try await found("issuer=\(percentEncoded("https://issuer.example"))") == ["13", "12", "11"])
            #expect(try await found("issuer=somebody") == [])
            #expect(try await found("digest=\(sampleDigest("two"))") == ["12"])
            #expect(try await found("ref=registry.example/team/app") == ["12", "11"])
            #expect(try await found("ref=registry.example/team/app:one") == ["11"])
            #expect(try await found("ref=registry.example/team/app@\(sampleDigest("three"))") == [])
            #expect(try await found("index=12") == ["12"])
            #expect(try await found("index=12&log=rekor") == ["12"])
            #expect(try await found("index=12&log=another") == [])
            #expect(try await found("log=\(sampleDigest("log").hex)") == ["13", "12", "11"])
            #expect(try await found("uuid=\(Self.uuid(13))") == ["13"])
            #expect(try await found("uuid=\(Self.uuid(13).suffix(64))") == ["13"])
            #expect(try await found("uuid=ffffffffffffffff\(Self.uuid(13).suffix(64))") == [])
            #expect(try await found("from=2020-01-01") == ["13", "12", "11"])
            #expect(try await found("to=2020-01-01T00:00:00Z") == [])
        }
    }

    @Test func `an entry that was put aside is shown with its reason, under the name that its certificate has`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log(
                "aside", 7, abandoned: "the log dated it outside the certificate's life", in: doors.queue)
            let path = "/v1/log-entries?identity=\(percentEncoded(Self.identity))"
            let answer = try await doors.get(path, token: doors.token(.viewer))
            #expect(try Self.page(answer).indexes == ["7"])
            guard case .array(let entries)? = try JSONValue(parsing: answer.body)["entries"], let entry = entries.first
            else { throw SupportError("no entry") }
            #expect(entry["state"]?.text == "abandoned")
            #expect(entry["reason"]?.text == "the log dated it outside the certificate's life")
            #expect(entry["identity"]?.text == Self.identity && entry["issuer"]?.text == "https://issuer.example")
            guard case .array(let subjects)? = entry["subjects"] else { throw SupportError("no subjects") }
            #expect(subjects.map { $0["state"]?.text } == ["waiting"])
            #expect(subjects.first?["attachment"] == nil)
        }
    }

    @Test func `what has no entry in a log yet is not listed as one`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await doors.queue.push(samplePush(sampleDigest("pending")))
            _ = try await doors.queue.journal.prepare(Self.prepared("pending"), for: doors.queue.claimOne())
            let page = try Self.page(try await doors.get("/v1/log-entries", token: doors.token(.viewer)))
            #expect(page.count == "0" && page.indexes.isEmpty && page.next == nil)
        }
    }

    @Test func `a page goes on where the one before ended, and the count is of all`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            for index in Int64(1)...5 {
                try await Self.log("image \(index)".filter { $0 != " " }, index, in: doors.queue)
            }
            let token = try await doors.token(.viewer)
            var listed: [String] = []
            var cursor = ""
            for _ in 0..<3 {
                let page = try Self.page(try await doors.get("/v1/log-entries?limit=2\(cursor)", token: token))
                #expect(page.count == "5")
                listed += page.indexes
                cursor = page.next.map { "&before=\($0)" } ?? ""
            }
            #expect(listed == ["5", "4", "3", "2", "1"] && cursor.isEmpty)
        }
    }

    @Test func `a head of the audit log is one of our entries, and no page ends at it`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log("one", 1, in: doors.queue)
            let token = try await doors.token(.viewer)  // the audit log's first row
            let anchors = AuditAnchors(pool: doors.queue.pool)
            let head = try #require(try await anchors.head())
            let anchor = try await anchors.prepare(
                Self.prepared("head"), position: head.position, head: head.hash, since: nil)
            try await anchors.log(Self.logged(2), of: anchor)
            try await Self.log("three", 3, in: doors.queue)

            let first = try await doors.get("/v1/log-entries?limit=2", token: token)
            let page = try Self.page(first)
            #expect(page.count == "3" && page.indexes == ["3", "2"])
            let next = try #require(page.next)
            let rest = try Self.page(try await doors.get("/v1/log-entries?limit=2&before=\(next)", token: token))
            #expect(rest.indexes == ["1"] && rest.next == nil)
            guard case .array(let entries)? = try JSONValue(parsing: first.body)["entries"] else {
                throw SupportError("no entries")
            }
            #expect(entries[1]["audit_position"] == .number("\(head.position)"))
            #expect(entries[1]["subjects"] == .array([]) && entries[1]["identity"]?.text == Self.identity)
            #expect(entries[0]["audit_position"] == nil)
            // it is about everything: nothing for a token that is confined
            let confined = try await APITokens(pool: doors.queue.pool).create(
                name: "team", role: .viewer, lifetime: nil,
                scope: TokenScope(repositories: ["registry.example/team/**"], predicateTypes: ["*"]))
            #expect(
                try await doors.get("/v1/log-entries/\(anchor.evidenceID)", token: confined).status == 404)
        }
    }

    @Test func `of an entry about several repositories a token that is confined sees its own part`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log("one", 11, in: doors.queue)
            try await Self.log("two", 12, repository: "secret/app", in: doors.queue)
            let id = try await doors.queue.number("SELECT id FROM countersign.evidence WHERE log_index = 11")
            try await doors.queue.pool.execute(
                """
                INSERT INTO countersign.evidence_target (evidence_id, target_id, format, live)
                SELECT \(Int64(id)), l.target_id, 'bundle', false FROM countersign.evidence e
                JOIN countersign.evidence_target l ON l.evidence_id = e.id WHERE e.log_index = 12
                """)
            let token = try await APITokens(pool: doors.queue.pool).create(
                name: "team", role: .viewer, lifetime: nil,
                scope: TokenScope(repositories: ["registry.example/team/**"], predicateTypes: ["*"]))
            for path in ["/v1/log-entries?ref=registry.example/team/app", "/v1/log-entries/\(id)"] {
                let answer = try await doors.get(path, token: token)
                #expect(answer.status == 200)
                let text = String(decoding: answer.body, as: UTF8.self)
                #expect(text.contains("registry.example/team/app@"), "\(path)")
                #expect(!text.contains("secret"), "\(path)")
            }
        }
    }

    @Test func `one entry is given whole, as the log gave it`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log("one", 11, in: doors.queue)
            let token = try await doors.token(.viewer)
            let listed = try JSONValue(parsing: try await doors.get("/v1/log-entries", token: token).body)
            guard case .array(let entries)? = listed["entries"], case .number(let id)? = entries.first?["id"] else {
                throw SupportError("no entry")
            }
            #expect(entries.first?["entry"] == nil)
            let whole = try JSONValue(parsing: try await doors.get("/v1/log-entries/\(id)", token: token).body)
            let read = try TlogEntry(json: JSONValue.object(["entry": try #require(whole["entry"])]).encoded())
            #expect(read.logIndex == 11 && read.kind == "dsse" && read.inclusionPromise == [1])
            #expect(try await doors.get("/v1/log-entries/999999", token: token).status == 404)
            #expect(try await doors.get("/v1/log-entries/x", token: token).status == 404)
        }
    }

    @Test func `what is stored of a log is told, and of the checkpoint that an entry came with`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let log = try ForkingLog()
            log.grow(to: 3)
            let records = LogRecords(pool: doors.queue.pool)
            let own = try #require(try await log.checkpoints().first)
            var logged = try Self.logged(1)
            var entry = try TlogEntry(json: logged.entry)
            entry.inclusionProof = .init(
                logIndex: 1, rootHash: own.rootHash, treeSize: 3, hashes: [], checkpoint: own.note)
            logged.entry = entry.encoded()
            try await doors.queue.push(samplePush(sampleDigest("one")))
            let claim = try await doors.queue.claimOne()
            let evidence = try await doors.queue.journal.prepare(Self.prepared("one"), for: claim)
            _ = try await doors.queue.journal.log(
                logged, attachment: sampleAttachment("manifest"), of: evidence, for: claim)
            let token = try await doors.token(.viewer)
            func stored() async throws -> JSONValue {
                let path = "/v1/log-entries/\(evidence.id)/checkpoint"
                return try JSONValue(parsing: try await doors.get(path, token: token).body)
            }
            let none = try await stored()
            #expect(none["origin"]?.text == own.origin && none["stored"] == nil && none["newest"] == nil)

            let store = records.store(of: "rekor")
            _ = try await store.record(own)
            #expect(try await stored()["stored"]?["proven_at"] == nil)
            log.grow(to: 9)
            let newest = try #require(try await log.checkpoints().first)
            _ = try await store.record(newest)
            try await store.prove([own, newest])
            let proven = try await stored()
            #expect(proven["stored"]?["size"] == .number("3") && proven["stored"]?["note"]?.text == own.note)
            #expect(proven["newest"]?["size"] == .number("9") && proven["stored"]?["proven_at"] != nil)

            let answer = try JSONValue(parsing: try await doors.get("/v1/logs", token: token).body)
            guard case .array(let logs)? = answer["logs"], let known = logs.first, logs.count == 1,
                case .array(let trees)? = known["trees"], case .array(let entries)? = known["entries"]
            else { throw SupportError("\(answer)") }
            #expect(known["log"]?.text == "rekor" && known["alarm"] == nil)
            #expect(
                entries.map { $0["count"] } == [.number("1")] && entries.map { $0["newest_index"] } == [.number("1")])
            #expect(trees.map { $0["newest"]?["size"] } == [.number("9")])
            #expect(
                trees.map { $0["proven"]?["size"] } == [.number("9")] && trees.map { $0["waiting"] } == [.number("0")])

            #expect(proven["alarm"] == nil)
            try await records.raise(LogContradiction(own, newest, "it shows another history"), of: "rekor")
            #expect(try await stored()["alarm"]?.text == "it shows another history")
        }
    }

    @Test func `a token that is confined sees the entries of its repositories only`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await Self.log("one", 11, in: doors.queue)
            try await Self.log("two", 12, repository: "secret/app", in: doors.queue)
            let scope = try TokenScope(repositories: ["registry.example/team/**"], predicateTypes: ["*"])
            let token = try await APITokens(pool: doors.queue.pool).create(
                name: "pipeline", role: .attester, lifetime: nil, scope: scope)
            #expect(try await doors.get("/v1/log-entries", token: token).status == 403)
            #expect(try await doors.get("/v1/log-entries?ref=registry.example/secret/app", token: token).status == 403)
            let own = try await doors.get("/v1/log-entries?ref=registry.example/team/app", token: token)
            #expect(try Self.page(own).indexes == ["11"])
            let ids = try await doors.queue.pool.query("SELECT id FROM countersign.evidence ORDER BY id")
            let (mine, other) = (try ids[0].decode(0, as: Int64.self), try ids[1].decode(0, as: Int64.self))
            #expect(try await doors.get("/v1/log-entries/\(mine)", token: token).status == 200)
            #expect(try await doors.get("/v1/log-entries/\(other)", token: token).status == 404)
        }
    }

    @Test func `a token that is confined to predicate types neither sees nor counts the entries of others`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            for (seed, index) in [("image", Int64(11)), ("vex", 12), ("bill", 13)] {
                try await Self.log(seed, index, in: doors.queue)
            }
            for (seed, type) in [("vex", "https://openvex.dev/ns"), ("bill", "https://spdx.dev/Document")] {
                try await doors.queue.pool.execute(
                    """
                    UPDATE countersign.target SET purpose = 'attestation sha256:00 ' || \(type)::text
                    WHERE digest = \(sampleDigest(seed).description)::text
                    """)
            }
            let token = try await APITokens(pool: doors.queue.pool).create(
                name: "vex", role: .viewer, lifetime: nil,
                scope: TokenScope(repositories: ["registry.example/team/**"], predicateTypes: ["vex"]))
            let seen = try Self.page(
                try await doors.get("/v1/log-entries?ref=registry.example/team/app", token: token))
            #expect(seen.indexes == ["12", "11"] && seen.count == "2")
        }
    }

    @Test(arguments: [
        "index=-1", "index=x", "uuid=12", "digest=abc", "from=yesterday", "limit=0", "limit=501", "before=x", "ref=x",
        "ref=registry.example/a@sha256:00", "identity=%00", "issuer=a%00", "log=%00",
    ])
    func `a parameter in another form is refused by name`(query: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.get("/v1/log-entries?\(query)", token: doors.token(.viewer))
            #expect(answer.status == 400, "\(query)")
            #expect(try await doors.get("/v1/log-entries").status == 401)
        }
    }

    @Test func `a search by identity, issuer or place reads an index, not the table`() async throws {
        let fixture = try await QueueFixture()
        let plans = try await fixture.pool.transaction { session in
            _ = try session.execute("SET LOCAL enable_seqscan = off")
            return try [
                "identity = 'x' AND log_index IS NOT NULL ORDER BY id DESC LIMIT 10", "log_index = 5",
                "right(log_uuid, 64) = 'x' AND log_uuid IS NOT NULL",
                "issuer = 'x' AND log_index IS NOT NULL ORDER BY id DESC LIMIT 10",
            ].map { condition in
                try session.query(
                    Query(unsafeSQL: "EXPLAIN SELECT id FROM countersign.evidence WHERE \(condition)")
                ).map { try $0.decode(0, as: String.self) }.joined(separator: "\n")
            }
        }
        #expect(plans[0].contains("evidence_by_identity") && !plans[0].contains("Sort"))
        #expect(plans[1].contains("evidence_by_index"))
        #expect(plans[2].contains("evidence_by_uuid"))
        #expect(plans[3].contains("evidence_by_issuer") && !plans[3].contains("Sort"))
    }
}
