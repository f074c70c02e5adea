import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

/// Answers that are wrong on request: by header for one request, by the fault board for many.
@Suite struct DistortionTests {
    @Test(arguments: ["bad_set", "bad_proof", "bad_checkpoint"])
    func `Rekor v1 answers one request wrongly and keeps the entry right`(fault: String) async throws {
        try await RunningLab.run { _, endpoints, client in
            let url = "\(endpoints.rekor)/api/v1/log/entries"
            _ = try await client.post(url, try Submission().body)
            let wrong = try await client.post(url, try Submission().body, fault: fault)
            #expect(wrong.status == 201)
            let right = try await client.get("\(url)/\(try #require(wrong.headers["Etag"]))")
            let (a, b) = (try V1Answer(wrong.body), try V1Answer(right.body))
            #expect(a.body == b.body && a.logIndex == b.logIndex)
            let (was, now) = (a.verification, b.verification)
            // ECDSA signatures differ anyway: a signature is wrong when it is not the log's
            let isSETWrong = !(try await Self.isSigned(a, endpoints, client))
            let isProofWrong = was.inclusionProof.hashes != now.inclusionProof.hashes
            let isCheckpointWrong = !(try await Self.isCheckpointSigned(a, endpoints, client))
            #expect(isSETWrong == (fault == "bad_set"))
            #expect(isProofWrong == (fault == "bad_proof"))
            #expect(isCheckpointWrong == (fault == "bad_checkpoint"))
        }
    }

    @Test func `Rekor v2 answers one request wrongly and keeps the entry right`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            _ = try await TiledSubmission.logAll(2, endpoints.rekor2, client)
            let url = "\(endpoints.rekor2)/api/v2/log/entries"
            let proof = try TiledAnswer(try await client.post(url, try TiledSubmission().body, fault: "bad_proof").body)
            #expect(!proof.isProven)
            let checkpoint = try TiledAnswer(
                try await client.post(url, try TiledSubmission().body, fault: "bad_checkpoint").body)
            #expect(checkpoint.isProven)
            let served = try await client.text("\(endpoints.rekor2)/checkpoint")
            let given = checkpoint.inclusionProof.checkpoint.envelope
            #expect(
                given != served && given.split(separator: "\n").prefix(3) == served.split(separator: "\n").prefix(3))
            lab.faults.set(Fault(.distort(.badCheckpoint), count: 1), for: .rekor2)
            #expect(try await client.text("\(endpoints.rekor2)/checkpoint") != served)
            #expect(try await client.text("\(endpoints.rekor2)/checkpoint") == served)
        }
    }

    @Test func `Fulcio leaves out the promise or names somebody else`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            lab.faults.set(Fault(.distort(.noSCT), count: 1), for: .fulcio)
            let bare = try await FulcioReplayTests.certificates(
                for: PrivateKey.generate(.ecdsaP256), lab, endpoints, client)[0]
            #expect(try bare.signedCertificateTimestamps().isEmpty)
            lab.faults.set(Fault(.distort(.wrongIdentity), count: 1), for: .fulcio)
            let other = try await FulcioReplayTests.certificates(
                for: PrivateKey.generate(.ecdsaP256), lab, endpoints, client)[0]
            #expect(other.subjectAlternativeNames == [.uri("https://countersign.lab/somebody-else")])
            #expect(try other.signedCertificateTimestamps().count == 1)
        }
    }

    @Test func `the authority stamps other bytes, with the nonce that was asked for`() async throws {
        try await RunningLab.run { _, endpoints, client in
            let query = TimestampRequest(imprintOf: [1, 2, 3], nonce: [7, 7], requestsCertificates: true)
            let type = "application/timestamp-query"
            let right = try await client.post(endpoints.tsa, query.der, type: type)
            let wrong = try await client.post(endpoints.tsa, query.der, type: type, fault: "wrong_imprint")
            #expect(try TimestampResponse(der: right.body).token?.imprint == query.imprint)
            #expect(try TimestampResponse(der: wrong.body).token?.imprint != query.imprint)
        }
    }

    @Test func `a header brings delay, status and a lost answer for its own request only`() async throws {
        try await RunningLab.run { lab, endpoints, client in
            let url = "\(endpoints.rekor2)/api/v2/log/entries"
            let submission = try TiledSubmission()
            let busy = try await client.post(url, submission.body, fault: "status=429;retry_after=5")
            #expect(busy.status == 429 && busy.retryAfter == .seconds(5))
            #expect(lab.rekor2Size == 0)
            await #expect(throws: HTTPError.self) { try await client.post(url, submission.body, fault: "drop") }
            #expect(lab.rekor2Size == 1)
            let again = try await client.log(submission, endpoints.rekor2)
            #expect(again.status == 409 && again.headers["X-Log-Index"] == "0")
            for bad in ["nonsense", "status=abc", "delay", "drop;hard=1"] {
                #expect(try await client.post(url, submission.body, fault: bad).status == 400, "\(bad)")
            }
            #expect(lab.faults.active(.rekor2).isEmpty)
        }
    }

    private static func isSigned(_ answer: V1Answer, _ endpoints: LabEndpoints, _ client: HTTPClient) async throws
        -> Bool
    {
        let key = try PublicKey(pem: try await client.text("\(endpoints.rekor)/api/v1/log/publicKey"))
        let promise = LoggedEntry.Promise(
            body: answer.body, integratedTime: answer.integratedTime, logID: answer.logID, logIndex: answer.logIndex)
        let signature = try #require([UInt8](base64: answer.verification.signedEntryTimestamp))
        return (try? key.verify(signature, of: canonicalJSON(promise))) != nil
    }

    private static func isCheckpointSigned(
        _ answer: V1Answer, _ endpoints: LabEndpoints, _ client: HTTPClient
    ) async throws -> Bool {
        let key = try PublicKey(pem: try await client.text("\(endpoints.rekor)/api/v1/log/publicKey"))
        let parts = answer.verification.inclusionProof.checkpoint.split(separator: "\n\n", maxSplits: 1)
        let line = try #require(parts.last?.split(separator: "\n").first?.split(separator: " ").last)
        let signature = try #require([UInt8](base64: line))
        return (try? key.verify(Array(signature.dropFirst(4)), of: Array("\(parts[0])\n".utf8))) != nil
    }
}

/// What of an entry of Rekor v1 the tests read.
private struct V1Answer: Decodable {
    struct Verification: Decodable {
        struct Proof: Decodable {
            let hashes: [String]
            let checkpoint: String
        }
        let inclusionProof: Proof
        let signedEntryTimestamp: String
    }
    let body: String
    let integratedTime: Int64
    let logID: String
    let logIndex: Int
    let verification: Verification

    init(_ json: [UInt8]) throws {
        self = try #require(try JSONDecoder().decode([String: V1Answer].self, from: Data(json)).values.first)
    }
}

extension HTTPClient {
    fileprivate func post(_ url: String, _ body: [UInt8], type: String = "application/json", fault: String) async throws
        -> HTTPResponse
    {
        let headers: HTTPHeaders = ["Content-Type": type, "X-Lab-Fault": fault]
        return try await send(HTTPRequest(.post, url, headers: headers, body: body, route: RunningLab.route))
    }
}
