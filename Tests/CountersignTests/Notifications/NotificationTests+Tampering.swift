import Curl
import OCI
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Over a real registry, in whose storage somebody writes.
extension NotificationTests {
    @Test(.enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
    func `a published signature that is tampered with in the registry is told once, and anew after it was mended`()
        async throws
    {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let registry = try await DockerRegistry()
        let line = try await SigningLine(registry: registry)
        let sink = try sink(server) { $0.types = [.alert] }
        let (service, _, http) = try await delivery(line.database, sink)
        defer { http.shutdown() }
        let digest = try await line.image().descriptor.digest
        let daemon = try await line.daemon()
        try await line.push(digest)
        try await daemon.workOff()
        try await line.recheckAll(with: daemon)
        #expect(try await waiting(line.database) == 0, "what holds is not told")

        let bundle = try #require(try await line.referrers(of: digest).first)
        for _ in 0..<2 {
            try registry.tamper(with: OCI.Digest.sha256(of: bundle.bytes).description)
            for _ in 0..<2 { try await line.recheckAll(with: daemon) }
            #expect(try await waiting(line.database) == 1)
            try await drain(line.database, service, sink)
            // the same byte once more: it is as it was
            try registry.tamper(with: OCI.Digest.sha256(of: bundle.bytes).description)
            try await line.recheckAll(with: daemon)
        }
        let events = try server.requests.map { try JSONValue(parsing: $0.body) }
        #expect(events.count == 2 && Set(events.map { $0["id"]?.text }).count == 2)
        for event in events {
            #expect(event["type"]?.text == "dev.countersign.alert.raised")
            #expect(event["subject"]?.text == "\(line.repository)@\(digest)")
            #expect(event["data"]?["code"]?.text == "signature.tampered")
        }
        #expect(try await line.alerts.open().isEmpty)
        try await line.expectSignedOnce(digest)
    }
}
