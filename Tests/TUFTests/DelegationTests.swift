import OpenSSL
import StrictJSON
import Testing

@testable import TUF

/// 5.6.7: who is asked about a path, in which order, and by whose authority.
@Suite struct DelegationTests {
    private typealias Delegation = SimulatedRepository.Delegation
    private let repository: SimulatedRepository

    init() throws { repository = try SimulatedRepository() }

    /// The delegated roles that were fetched for the path, and what was found.
    private func search(_ path: String, limits: TUFLimits = .init()) async throws -> (visited: [String], found: String?)
    {
        let before = repository.requests.count + 4
        let session = try await TUFClient(repository, limits: limits).update()
        do {
            let bytes = try await session.target(path)
            return (roles(before).dropLast(), String(decoding: bytes, as: UTF8.self))
        } catch .noTarget {
            return (roles(before), nil)
        }
    }

    private func roles(_ start: Int) -> [String] {
        repository.requests.dropFirst(start).map { String($0.drop { $0 != "." }.dropFirst().dropLast(5)) }
    }

    private func publish(_ roles: String...) throws {
        for role in roles { try repository.publish(role) }
        try repository.publish("targets", "snapshot", "timestamp")
    }

    @Test func `roles are asked in order of appearance, depth first, each once`() async throws {
        try repository.delegate("targets", to: [Delegation("a", "*"), Delegation("b", "*")])
        try repository.delegate("a", to: [Delegation("c", "*")])
        try repository.delegate("c", to: [Delegation("b", "*"), Delegation("a", "*")])
        // two delegators gave b a key each: it is signed by both
        try publish("b", "c", "a")
        #expect(try await search("missing") == (["a", "c", "b"], nil))
    }

    @Test func `a path is found through all of its delegators' patterns only`() async throws {
        try repository.delegate("targets", to: [Delegation("a", "x/*"), Delegation("b", "*/*")])
        try repository.delegate("b", to: [Delegation("c", "y/*")])
        repository.addTarget("y/1", "c's", to: "c")
        repository.addTarget("z/1", "not delegated to c", to: "c")
        repository.addTarget("x/1", "a's", to: "a")
        repository.addTarget("x/1", "b's, less trusted", to: "b")
        try publish("a", "b", "c")
        #expect(try await search("y/1") == (["b", "c"], "c's"))
        #expect(try await search("z/1") == (["b"], nil))
        #expect(try await search("y/1/2") == ([], nil))
    }

    @Test func `the more trusted role's word counts`() async throws {
        try repository.delegate("targets", to: [Delegation("a", "*"), Delegation("b", "*")])
        repository.addTarget("file", "b's", to: "b")
        repository.addTarget("file", "a's", to: "a")
        try publish("a", "b")
        #expect(try await search("file") == (["a"], "a's"))
    }

    @Test func `after a terminating delegation nobody else is asked`() async throws {
        try repository.delegate(
            "targets", to: [Delegation("a", "lib/*", isTerminating: true), Delegation("b", "*/*")])
        repository.addTarget("lib/x", "b's", to: "b")
        repository.addTarget("bin/x", "b's", to: "b")
        try publish("a", "b")
        #expect(try await search("lib/x") == (["a"], nil))
        #expect(try await search("bin/x") == (["b"], "b's"))
    }

    @Test func `a search ends at the limit`() async throws {
        try repository.delegate("targets", to: (0..<5).map { Delegation("r\($0)", "*") })
        for index in 0..<5 { try repository.publish("r\(index)") }
        try publish()
        var limits = TUFLimits()
        limits.rolesVisited = 3
        let session = try await TUFClient(repository, limits: limits).update()
        let error = await #expect(throws: TUFError.self) { try await session.find("missing") }
        #expect(error?.code == "tuf.too_many")
    }

    @Test func `a role is good only under the delegator that names its keys`() async throws {
        try repository.delegate("targets", to: [Delegation("a", "a/*"), Delegation("b", "b/*")])
        try repository.delegate("a", to: [Delegation("release", "a/*")])
        let keys = repository["release"].keys
        try repository.delegate("b", to: [Delegation("release", "b/*")])
        // only a's key signs it
        repository["release"].signers = keys
        repository.addTarget("a/x", "good", to: "release")
        repository.addTarget("b/x", "not b's", to: "release")
        try publish("release", "a", "b")
        let session = try await TUFClient(repository).update()
        #expect(try await session.target("a/x") == Array("good".utf8))
        await #expect(throws: TUFError.unsigned(file: "release.json", valid: 0, threshold: 1)) {
            try await session.target("b/x")
        }
    }

    @Test func `a role that the snapshot does not list is not even fetched`() async throws {
        try repository.delegate("targets", to: [Delegation("a", "*")])
        try repository.publish("a", "targets")
        repository.change { $0.snapshotMeta["a.json"] = nil }
        try repository.publish("snapshot", "timestamp")
        let session = try await TUFClient(repository).update()
        let before = repository.requests.count
        let error = await #expect(throws: TUFError.self) { try await session.find("x") }
        #expect(error?.code == "tuf.mixed" && repository.requests.count == before)
    }

    @Test func `digest prefixes name bins`() async throws {
        let digest = Hex.encode(Hash.sha256(Array("file".utf8)))
        let other = digest.hasPrefix("0") ? "1" : "0"
        try repository.delegate(
            "targets",
            to: [Delegation("a", prefixes: [other]), Delegation("b", prefixes: [other, String(digest.prefix(3))])])
        repository.addTarget("file", "binned", to: "b")
        try publish("a", "b")
        #expect(try await search("file") == (["b"], "binned"))
    }

    @Test(arguments: [1, 4, 5, 8])
    func `each path has one of the succinct bins`(_ bits: Int) async throws {
        let key = try SimulatedKey()
        let head = Hash.sha256(Array("dir/file".utf8)).prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let number = String(head >> UInt32(32 - bits), radix: 16)
        let name = "bin-" + String(repeating: "0", count: (bits + 3) / 4 - number.count) + number
        repository["targets"].delegations = .object([
            "keys": .object(JSONObject([.init(key.id, key.json)])),
            "succinct_roles": .object([
                "keyids": .array([.string(key.id)]), "threshold": .integer(1), "bit_length": .integer(bits),
                "name_prefix": .string("bin"),
            ]),
        ])
        repository[name].keys = [key]
        repository.addTarget("dir/file", "binned", to: name)
        try publish(name)
        #expect(try await search("dir/file") == ([name], "binned"))
    }

    @Test(arguments: ["?", "#", "/role", "../role", "%2e", "a b", "é", ".."])
    func `a role's name is never a path or a query`(_ name: String) async throws {
        try repository.delegate("targets", to: [Delegation(name, "*")])
        repository.addTarget("x", "found", to: name)
        try publish(name)
        let session = try await TUFClient(repository).update()
        #expect(try await session.target("x") == Array("found".utf8))
        let request = try #require(repository.requests.dropLast().last)
        #expect(request.utf8.allSatisfy { $0 < 0x80 } && !request.contains { "/?# ".contains($0) })
    }

    @Test(arguments: [
        #"{}"#, #"{"keys":{}}"#, #"{"keys":{},"roles":[],"succinct_roles":{}}"#,
        #"{"keys":{},"roles":[{"name":"a","keyids":[],"threshold":1}]}"#,
        #"{"keys":{},"roles":[{"name":"a","keyids":[],"threshold":1,"paths":[],"path_hash_prefixes":[]}]}"#,
        #"{"keys":{},"roles":[{"name":"root","keyids":[],"threshold":1,"paths":[]}]}"#,
        #"{"keys":{},"roles":[{"name":"","keyids":[],"threshold":1,"paths":[]}]}"#,
        #"{"keys":{},"roles":[{"name":"a","keyids":[],"threshold":0,"paths":[]}]}"#,
        #"{"keys":{},"roles":[{"name":"a","keyids":[],"threshold":1,"paths":[]},{"name":"a","keyids":[],"threshold":1,"paths":[]}]}"#,
        #"{"keys":{},"succinct_roles":{"keyids":[],"threshold":1,"bit_length":0,"name_prefix":"b"}}"#,
        #"{"keys":{},"succinct_roles":{"keyids":[],"threshold":1,"bit_length":33,"name_prefix":"b"}}"#,
        #"{"keys":{"k":{"keytype":"ed25519","scheme":"ed25519"}},"roles":[]}"#,
    ])
    func `malformed delegations are refused`(_ json: String) async throws {
        repository["targets"].delegations = try JSONValue(parsing: Array(json.utf8))
        try publish()
        let error = await #expect(throws: TUFError.self) { try await TUFClient(repository).update() }
        #expect(error?.code == "tuf.malformed")
    }
}
