import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct FaultTests {
    @Test func `a dropped answer leaves the entry logged, and the same bytes find it`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            lab.faults.set(Fault(.dropAnswer, count: 1), for: .rekor)
            let submission = try Submission()
            let url = "\(endpoints.rekor)/api/v1/log/entries"
            let lost = await #expect(throws: HTTPError.self) { try await client.post(url, submission.body) }
            #expect(lost?.answerMayBeLost == true)
            #expect(lab.rekorSize == 1)
            let again = try await client.post(url, submission.body)
            #expect(again.status == 409)
            let location = try #require(again.headers["Location"])
            #expect(try await client.get(endpoints.rekor + location).status == 200)
            #expect(lab.faults.active(.rekor).isEmpty)
        }
    }

    @Test func `a status fault hits the next requests of its path only and carries Retry-After`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            lab.faults.set(Fault(.status(429, retryAfter: 7), path: "/api/v2/signingCert", count: 2), for: .fulcio)
            for _ in 0..<2 {
                let response = try await client.post("\(endpoints.fulcio)/api/v2/signingCert", Array("{}".utf8))
                #expect(response.status == 429)
                #expect(response.retryAfter == .seconds(7))
            }
            #expect(try await client.get("\(endpoints.fulcio)/healthz").status == 200)
            #expect(try await client.post("\(endpoints.fulcio)/api/v2/signingCert", Array("{}".utf8)).status == 400)
            #expect(lab.certificatesIssued == 0)
        }
    }

    @Test func `a wrong clock shows in certificates, timestamps and tokens`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            for service in LabService.allCases { lab.faults.set(Fault(.clockOffset(.seconds(-3600))), for: service) }
            let leaf = try await FulcioReplayTests.certificates(
                for: PrivateKey.generate(.ecdsaP256), lab, endpoints, client)[0]
            #expect(abs(leaf.notBefore.timeIntervalSinceNow + 3600) < 60)
            let query = TimestampRequest(imprintOf: [1]).der
            let reply = try await client.post(endpoints.tsa, query, type: "application/timestamp-query")
            let time = try #require(try TimestampResponse(der: reply.body).token?.time)
            #expect(abs(time.timeIntervalSinceNow + 3600) < 60)
        }
    }

    @Test func `a refused token is the same 400 as every token fault, until cleared`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            lab.faults.set(Fault(.refuseToken), for: .fulcio)
            let body = try FulcioReplayTests.request(
                for: PrivateKey.generate(.ecdsaP256), over: "system:serviceaccount:ci:signer")
            let url = "\(endpoints.fulcio)/api/v2/signingCert"
            let refused = try await client.post(url, body, bearer: try await lab.token())
            #expect(refused.status == 400)
            #expect(String(decoding: refused.body, as: UTF8.self).contains("processing the identity token"))
            lab.faults.clear(.fulcio)
            #expect(try await client.post(url, body, bearer: try await lab.token()).status == 200)
        }
    }

    @Test func `a latency holds up signing calls only`() async throws {
        try await RunningLab.run(latency: [.rekor: .seconds(15)]) { _, endpoints, client in
            let body = try Submission().body
            let order = try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    _ = try await client.post("\(endpoints.rekor)/api/v1/log/entries", body)
                    return "written"
                }
                group.addTask {
                    _ = try await client.get("\(endpoints.rekor)/api/v1/log")
                    return "read"
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(order == ["read", "written"])
        }
    }

    @Test func `latencies run side by side`() async throws {
        try await RunningLab.run(latency: [.rekor: .seconds(2)]) { lab, endpoints, client in
            let writing = try await ContinuousClock().measure {
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<16 {
                        let body = try Submission().body
                        group.addTask { try await client.post("\(endpoints.rekor)/api/v1/log/entries", body).status }
                    }
                    for try await status in group { #expect(status == 201) }
                }
            }
            #expect(writing >= .seconds(2))
            // one after the other would take at least this
            #expect(writing < .seconds(2 * 16))
            #expect(lab.rekorSize == 16)
        }
    }

    @Test func `a fault that cannot be read is refused and changes nothing`() async throws {
        let bodies = [
            #"{"kind":"status"}"#, #"{"kind":"status","status":200}"#, #"{"kind":"delay"}"#, #"{"kind":"nope"}"#, "{",
            #"{"kind":"delay","seconds":-1}"#, #"{"kind":"drop","count":0}"#, "",
        ]
        try await RunningLab.run { lab, endpoints, client in
            for body in bodies {
                let response = try await client.post("\(endpoints.rekor)\(FaultDoor.path)", Array(body.utf8))
                #expect(response.status == 400, "\(body)")
            }
            #expect(lab.faults.active(.rekor).isEmpty)
        }
    }

    @Test func `faults can be set, read and ended over HTTP, and every answer says what it is`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let url = "\(endpoints.rekor)\(FaultDoor.path)"
            let set = try await client.post(url, Array(#"{"kind":"clock","seconds":90,"count":3,"path":"/api"}"#.utf8))
            #expect(set.status == 200)
            #expect(lab.faults.active(.rekor) == [Fault(.clockOffset(.seconds(90)), path: "/api", count: 3)])
            #expect(String(decoding: try await client.get(url).body, as: UTF8.self).contains(#""kind":"clock""#))
            let ended = try await client.send(HTTPRequest(.delete, url, route: RunningLab.route))
            #expect(ended.headers["X-Countersign-Lab"] == "not for production")
            #expect(lab.faults.active(.rekor).isEmpty)
        }
    }
}
