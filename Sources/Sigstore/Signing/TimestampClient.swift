public import Curl
import OpenSSL

/// A timestamp authority (RFC 3161 over HTTP, §3.4).
public final class TimestampClient: Sendable {
    private let upstream: Upstream

    /// A client of the authority whose full timestamp URL is `url`, as signing configurations give it.
    public init(url: String, http: HTTPClient, route: HTTPRoute = .init()) {
        upstream = Upstream(.timestampAuthority, url: url, http: http, route: route)
    }

    /// A timestamp over a signature's raw bytes: the whole `TimeStampResp` in DER, as bundles hold it.
    ///
    /// No certificate is asked for: the authority's is in the trusted root, and the answer stays small. That the token
    /// is signed by that authority is the verifier's to check; here only that it answers this request.
    /// - Throws: ``SigstoreError``. Repeating the call is harmless.
    public func timestamp(_ signature: [UInt8]) async throws(SigstoreError) -> [UInt8] {
        let request = TimestampRequest(imprintOf: signature, nonce: SecureRandom.bytes(8), requestsCertificates: false)
        let response = try await upstream.post(
            "", request.der, type: "application/timestamp-query", accept: "application/timestamp-reply")
        // a repeated request makes another timestamp and nothing else, so no answer is ever "lost"
        guard response.status == 200 || response.status == 201 else { throw upstream.failure(response, posted: false) }
        let answer: TimestampResponse
        do throws(CryptoError) {
            answer = try TimestampResponse(der: response.body)
        } catch {
            throw bad("\(error)")
        }
        guard let token = answer.token else {
            throw .refused(
                .timestampAuthority, status: response.status,
                message: "the reply's status is \(answer.status) \(answer.statusText)")
        }
        guard token.imprint == Hash.sha256(signature) else { throw bad("the imprint is of other bytes") }
        guard token.nonce == request.nonce else { throw bad("the nonce is not the request's") }
        return response.body
    }

    private func bad(_ detail: String) -> SigstoreError {
        .badAnswer(.timestampAuthority, detail: detail, answerMayBeLost: false)
    }
}
