import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct RotationTests {
    @Test(arguments: LabMaterial.allCases)
    func `new material stands in the trusted root beside the old, whose time has ended, also after a restart`(
        material: LabMaterial
    ) async throws {
        try await RunningLab.withFolder { folder in
            let after = try await RunningLab.run(in: folder) { lab, endpoints, client in
                let before = try TrustSummary(try await lab.trustedRootJSON)
                let answer = try await client.post(
                    "\(endpoints.fulcio)/lab/rotate", Array("{\"material\":\"\(material.rawValue)\"}".utf8))
                #expect(answer.status == 200)
                let after = try TrustSummary(try await lab.trustedRootJSON)
                let (old, new) = (before[material], after[material])
                #expect(old.count == 1 && new.count == 2)
                #expect(old[0].identity == new[0].identity && new[0].identity != new[1].identity)
                #expect(old[0].end == nil && new[0].end != nil && new[1].end == nil)
                #expect(try #require(new[1].start) <= (try #require(new[0].end)))
                for other in LabMaterial.allCases where other != material { #expect(before[other] == after[other]) }
                return after
            }
            let written = try #require(try AtomicFile.read("\(folder)/trusted_root.json"))
            #expect(try TrustSummary(Array(written.utf8)) == after)
            let restarted = try await Lab(LabConfiguration(directory: folder))
            #expect(restarted.rekorSize == 0)
            #expect(
                try await RunningLab.run(in: folder) { lab, _, _ in
                    try TrustSummary(try await lab.trustedRootJSON)[material].map(\.identity)
                } == after[material].map(\.identity))
        }
    }

    @Test func `indexes of Rekor v1 run on over shards, and the old tree is still read`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let url = "\(endpoints.rekor)/api/v1/log/entries"
            let first = try await client.post(url, try Submission().body)
            let oldID = try #require(first.headers["Etag"])
            try await lab.rotate(.rekor)
            let second = try await client.post(url, try Submission().body)
            let newID = try #require(second.headers["Etag"])
            #expect(oldID.prefix(16) != newID.prefix(16))
            for (id, index) in [(oldID, 0), (newID, 1)] {
                #expect(try await client.get("\(url)/\(id)").status == 200)
                let found = try await client.text("\(url)?logIndex=\(index)")
                #expect(found.contains(id) && found.contains("\"logIndex\":\(index),\"verification\""))
                // the proof counts within its own tree
                #expect(found.contains("\"logIndex\":0,\"rootHash\""))
            }
            let info = try await client.text("\(endpoints.rekor)/api/v1/log")
            #expect(info.contains("\"inactiveShards\":[{"))
            #expect(lab.rekorSize == 2)
        }
    }

    @Test func `a new shard of Rekor v2 has a URL of its own, the old one is frozen and still read`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            _ = try await TiledSubmission.logAll(2, endpoints.rekor2, client)
            try await lab.rotate(.rekor2)
            let (old, new) = (endpoints.rekor2(shard: 1), endpoints.rekor2(shard: 2))
            #expect(try await client.log(try TiledSubmission(), old).status == 405)
            let answers = try await TiledSubmission.logAll(1, new, client)
            #expect(answers[0].logIndex == "0" && answers[0].isProven)
            #expect(try await client.get("\(old)/tile/entries/000.p/2").status == 200)
            #expect(try await client.text("\(new)/checkpoint").split(separator: "\n")[1] == "1")
            #expect(lab.rekor2Size == 3)
        }
    }

    @Test func `the signing config names the logs that were chosen, the newest first`() async throws {
        for choice in LogChoice.allCases {
            try await RunningLab.withFolder { folder in
                var configuration = LabConfiguration(directory: folder)
                configuration.logs = choice
                try await Lab.withRunning(configuration) { lab in
                    struct Config: Decodable {
                        struct Log: Decodable {
                            let majorApiVersion: Int
                            let `operator`: String
                        }
                        struct Selector: Decodable { let selector: String }
                        let rekorTlogUrls: [Log]
                        let rekorTlogConfig: Selector
                    }
                    let config = try JSONDecoder().decode(Config.self, from: Data(try await lab.signingConfigJSON))
                    let versions = config.rekorTlogUrls.map(\.majorApiVersion)
                    #expect(versions == (choice == .v1 ? [1] : choice == .v2 ? [2] : [2, 1]))
                    #expect(config.rekorTlogConfig.selector == (choice == .both ? "ALL" : "ANY"))
                    // a client takes one log of each operator
                    #expect(Set(config.rekorTlogUrls.map(\.operator)).count == (choice == .both ? 2 : 1))
                }
            }
        }
    }

    @Test func `what cannot be rotated or changed is refused`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let before = try await lab.trustedRootJSON
            for (path, body) in [
                ("rotate", "{}"), ("rotate", #"{"material":"oidc"}"#), ("tuf", #"{"change":"x"}"#), ("tuf", "{"),
                ("tuf", #"{"change":"expire","roles":["mirrors"]}"#),
            ] {
                #expect(
                    try await client.post(
                        "\(endpoints.tsa.replacing("/api/v1/timestamp", with: ""))/lab/\(path)", Array(body.utf8)
                    ).status == 400, "\(path) \(body)")
            }
            #expect(try await lab.trustedRootJSON == before)
        }
    }
}

/// What of a trusted root the tests compare.
private struct TrustSummary: Equatable, Sendable {
    struct Item: Equatable, Sendable {
        let identity: String
        let start: String?
        let end: String?
    }

    private let items: [LabMaterial: [Item]]

    subscript(material: LabMaterial) -> [Item] { items[material] ?? [] }

    init(_ json: [UInt8]) throws {
        let root = try JSONDecoder().decode(Root.self, from: Data(json))
        func log(_ log: Root.Log) -> Item {
            Item(identity: log.logId.keyId, start: log.publicKey.validFor.start, end: log.publicKey.validFor.end)
        }
        func authority(_ authority: Root.Authority) -> Item {
            Item(
                identity: authority.certChain.certificates[0].rawBytes, start: authority.validFor.start,
                end: authority.validFor.end)
        }
        items = [
            .rekor: root.tlogs.filter { $0.publicKey.keyDetails != "PKIX_ED25519" }.map(log),
            .rekor2: root.tlogs.filter { $0.publicKey.keyDetails == "PKIX_ED25519" }.map(log),
            .ct: root.ctlogs.map(log), .fulcio: root.certificateAuthorities.map(authority),
            .tsa: root.timestampAuthorities.map(authority),
        ]
    }

    private struct Root: Decodable {
        struct Period: Decodable {
            let start: String?
            let end: String?
        }
        struct Log: Decodable {
            struct Key: Decodable {
                let keyDetails: String
                let validFor: Period
            }
            struct ID: Decodable { let keyId: String }
            let publicKey: Key
            let logId: ID
        }
        struct Authority: Decodable {
            struct Chain: Decodable {
                struct Bytes: Decodable { let rawBytes: String }
                let certificates: [Bytes]
            }
            let certChain: Chain
            let validFor: Period
        }
        let tlogs: [Log]
        let ctlogs: [Log]
        let certificateAuthorities: [Authority]
        let timestampAuthorities: [Authority]
    }
}
