import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct TimestampReplayTests {
    @Test func `the authority answers every recorded request with the recorded status and kind`() async throws {
        let exchanges = try RecordedExchange.fixture("tsa")
        try await RunningLab.run { _, endpoints, client in
            let base = String(endpoints.tsa.dropLast("/api/v1/timestamp".count))
            for exchange in exchanges {
                let what: Comment = "\(exchange.method) \(exchange.path) \(exchange.requestBody?.base64 ?? "")"
                let body = exchange.requestBody?.bytes ?? []
                let type = exchange.requestHeader("Content-Type") ?? ""
                let response =
                    exchange.method == "POST"
                    ? try await client.post(base + exchange.path, body, type: type)
                    : try await client.get(base + exchange.path)
                #expect(response.status == exchange.status, what)
                #expect(response.headers["Content-Type"] == exchange.responseHeader("Content-Type"), what)
                let recorded = exchange.responseBody?.bytes ?? []
                if let shape = JSONShape(recorded) {
                    #expect(shape.difference(from: try #require(JSONShape(response.body), what)) == nil, what)
                } else if exchange.method == "POST" {
                    let (mine, theirs) = (
                        try TimestampResponse(der: response.body), try TimestampResponse(der: recorded)
                    )
                    #expect(mine.status == theirs.status, what)
                    #expect(mine.token?.nonce == theirs.token?.nonce, what)
                    #expect(mine.token?.policy == theirs.token?.policy, what)
                    #expect(mine.token?.imprint == theirs.token?.imprint, what)
                    #expect(mine.token?.certificates.count == theirs.token?.certificates.count, what)
                }
            }
        }
    }
}
