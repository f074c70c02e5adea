import Curl
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Synchronization
import Testing

@testable import Sigstore

/// A Fulcio of a few lines: certifies any key for ten minutes from the clock's time.
private final class SmallFulcio: Sendable {
    let clock = Mutex(Date(unixSeconds: 1_800_000_000))
    let failing = Mutex(false)
    let authorityKey: PrivateKey
    let authority: Certificate

    init() throws {
        authorityKey = try PrivateKey.generate(.ecdsaP256)
        var template = CertificateTemplate(
            notBefore: Date(unixSeconds: 1_700_000_000), notAfter: Date(unixSeconds: 1_900_000_000))
        template.authority = .init()
        template.subject = DistinguishedName(commonName: "small", organization: "test")
        authority = try template.issue(for: authorityKey.publicKey, signedBy: authorityKey, issuer: nil)
    }

    var now: Date { clock.withLock { $0 } }
    func advance(_ seconds: Double) { clock.withLock { $0 += seconds } }

    func answer(_ request: ScriptedService.Request) -> ScriptedService.Answer {
        if failing.withLock({ $0 }) { return .json(503, "{}") }
        do {
            let json = try JSONValue(parsing: request.body)
            let key = try PublicKey(pem: json["publicKeyRequest"]?["publicKey"]?["content"]?.text ?? "")
            var template = CertificateTemplate(notBefore: now, notAfter: now + 600)
            template.subjectAlternativeNames = [.uri("https://signer.example")]
            template.extensions = [.init(oid: "1.3.6.1.4.1.57264.1.1", value: Array("https://issuer".utf8))]
            let leaf = try template.issue(for: key, signedBy: authorityKey, issuer: authority)
            let chain = JSONValue.object(["chain": .object(["certificates": .array([.string(leaf.pem)])])])
            let body = JSONValue.object(["signedCertificateEmbeddedSct": chain]).encoded()
            return .json(200, String(decoding: body, as: UTF8.self))
        } catch {
            return .json(400, "\(error)")
        }
    }
}

private struct FixedToken: IdentityTokenSource {
    let description = "test"
    func token() async throws(SigstoreError) -> IdentityToken {
        try IdentityToken(Fixture.token(#"{"iss":"https://issuer","sub":"s","aud":"sigstore","exp":1900000000}"#))
    }
}

@Suite struct CertificateWindowTests {
    private let fulcio: SmallFulcio
    private let service: ScriptedService

    init() throws {
        let fulcio = try SmallFulcio()
        self.fulcio = fulcio
        service = try ScriptedService { fulcio.answer($0) }
    }

    private func window(_ limits: CertificateWindow.Limits = .init()) -> CertificateWindow {
        let route = HTTPRoute.toTestServer
        let now: @Sendable () -> Date = { [fulcio] in fulcio.now }
        return CertificateWindow(
            fulcio: FulcioClient(url: service.url, http: HTTPClient(), route: route, now: now), source: FixedToken(),
            audience: "sigstore", limits: limits, now: now)
    }

    @Test func `a moved Fulcio is asked from the next certificate on`() async throws {
        let fulcio = fulcio
        let next = try ScriptedService { fulcio.answer($0) }
        let place = Mutex<String?>(service.url)
        let route = HTTPRoute.toTestServer
        let window = CertificateWindow(
            authority: { [route] () throws(SigstoreError) in
                guard let url = place.withLock({ $0 }) else { throw .misconfigured(.fulcio, detail: "nowhere") }
                return FulcioClient(url: url, http: HTTPClient(), route: route, now: { fulcio.now })
            }, source: FixedToken(), audience: "sigstore", limits: .init(maxSignatures: 1, refreshAt: 2),
            now: { fulcio.now })
        _ = try await window.credential()
        place.withLock { $0 = next.url }
        _ = try await window.credential()
        #expect(service.requests.count == 1 && next.requests.count == 1)
        place.withLock { $0 = nil }
        fulcio.advance(10)
        let error = await #expect(throws: SigstoreError.self) { _ = try await window.credential() }
        #expect(error?.code == "fulcio.misconfigured")
    }

    @Test func `many callers at once share one certificate and one request`() async throws {
        let window = window()
        let serials = try await withThrowingTaskGroup { group in
            for _ in 0..<100 { group.addTask { try await window.credential().certificate.leaf.serialNumber } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(serials.count == 1)
        #expect(service.requests.count == 1)
        #expect(await window.issuedCount == 1)
    }

    @Test func `a window closes by age, by the certificate's end and by the number of signatures`() async throws {
        for (limits, seconds) in [(CertificateWindow.Limits(), 300.0), (.init(maxAge: .seconds(3600)), 480)] {
            let window = window(.init(maxAge: limits.maxAge, refreshAt: 2))
            let first = try await window.credential().certificate.leaf
            fulcio.advance(seconds - 1)
            #expect(try await window.credential().certificate.leaf == first)
            fulcio.advance(1)
            #expect(try await window.credential().certificate.leaf != first)
        }
        let few = window(.init(maxSignatures: 2, refreshAt: 2))
        var serials: Set<[UInt8]> = []
        for _ in 0..<6 { serials.insert(try await few.credential().certificate.leaf.serialNumber) }
        #expect(serials.count == 3)
    }

    @Test func `a failed renewal does not fail those whom the present certificate serves`() async throws {
        let window = window()
        let first = try await window.credential().certificate.leaf
        fulcio.failing.withLock { $0 = true }
        fulcio.advance(200)
        #expect(try await window.credential().certificate.leaf == first)
        try await eventually { await window.refreshFailure != nil }
        #expect(try await window.credential().certificate.leaf == first)
        fulcio.advance(200)
        let error = await #expect(throws: SigstoreError.self) { try await window.credential() }
        #expect(error?.code == "fulcio.unavailable")
        fulcio.failing.withLock { $0 = false }
        #expect(try await window.credential().certificate.leaf != first)
        #expect(await window.refreshFailure == nil)
    }

    @Test func `the successor is fetched in the background at three fifths of the window`() async throws {
        let window = window()
        let first = try await window.credential().certificate.leaf
        fulcio.advance(179)
        _ = try await window.credential()
        #expect(service.requests.count == 1)
        fulcio.advance(1)
        #expect(try await window.credential().certificate.leaf == first)
        try await eventually { await window.issuedCount == 2 }
        #expect(try await window.credential().certificate.leaf != first)
        #expect(service.requests.count == 2)
    }
}
