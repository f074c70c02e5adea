import FoundationEssentials
import Sigstore
import Support
import Testing

@testable import Countersign

/// Which log has an entry, and how it is asked.
@Suite struct TrustedLogsTests {
    private let root: TrustedRoot
    private let log: TrustedLog

    init() throws {
        let path = packageRoot + "/Tests/SigstoreTests/Fixtures/recorded/trusted_root.json"
        let json = try #require(FileManager.default.contents(atPath: path))
        root = try TrustedRoot(json: Array(json))
        log = try #require(root.tlogs.first { !$0.baseURL.isEmpty })
    }

    private func entry(_ kind: String, _ version: String, logID: [UInt8]? = nil) -> TlogEntry {
        TlogEntry(
            logIndex: 0, logID: logID ?? log.logID, kind: kind, version: version, integratedTime: 0,
            inclusionPromise: nil, inclusionProof: nil, canonicalizedBody: [])
    }

    private func logs(_ named: [InstanceServices.Log] = []) -> TrustedLogs {
        TrustedLogs(root, named: named, others: .loopback("")) { log in
            var log = log
            log.name = "witnessed"
            return log
        }
    }

    @Test func `a log that nobody named is where the root says, and speaks what makes such entries`() throws {
        for (version, api) in [("0.0.1", RekorAPI.v1), ("0.0.2", .v2)] {
            let found = try #require(try logs().log(of: entry("hashedrekord", version)))
            #expect(found.api == api && found.upstream.url == log.baseURL && found.name == "witnessed")
            #expect(found.upstream.privateNetwork && found.upstream.plainHTTP)
        }
        let elsewhere = try logs().log(of: entry("dsse", "0.0.1"), at: "https://elsewhere.example")
        #expect(elsewhere?.upstream.url == "https://elsewhere.example")
        #expect(throws: SigstoreError.self) { try logs().log(of: entry("hashedrekord", "0.0.0")) }
        #expect(try logs().log(of: entry("dsse", "0.0.1", logID: [1])) == nil)
    }

    @Test func `a log that somebody named is as is said there, whatever the entry is`() throws {
        let url = log.baseURL.hasSuffix("/") ? String(log.baseURL.dropLast()) : log.baseURL + "/"
        for api in RekorAPI.all {
            let named = InstanceServices.Log(name: "named", api: api, upstream: .init(url: url))
            for version in ["0.0.1", "0.0.2", "0.0.0"] {
                #expect(try logs([named]).log(of: entry("hashedrekord", version)) == named)
            }
        }
    }
}
