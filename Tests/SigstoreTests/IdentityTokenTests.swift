import FoundationEssentials
import Support
import Testing

@testable import Sigstore

@Suite struct IdentityTokenTests {
    static let claims =
        #"{"iss":"https://issuer","sub":"system:serviceaccount:ci:signer","aud":["sigstore"],"exp":2000,"iat":1000,"nbf":1000}"#

    @Test func `claims are read, and no description shows the token`() throws {
        let text = Fixture.token(Self.claims)
        let token = try IdentityToken(text + "\n")
        #expect(token.claims.issuer == "https://issuer")
        #expect(token.claims.audience == ["sigstore"])
        #expect(token.proofSubject == "system:serviceaccount:ci:signer")
        #expect(token.withBearer { $0 } == text)
        for shown in ["\(token)", "\(String(reflecting: token))"] { #expect(!shown.contains(text.suffix(10))) }
    }

    @Test(arguments: [
        "", "a.b", "a.b.c.d", "..", "e30.e30.", "%.e30.e30", "e30.e30.e30", "bm90IGpzb24.e30.e30",
        Fixture.token("[]"), Fixture.token("{}"), Fixture.token(#"{"iss":"i","sub":"s","aud":"a"}"#),
        Fixture.token(#"{"iss":"i","sub":"s","aud":1,"exp":1}"#),
        Fixture.token(#"{"iss":"i","sub":"","aud":"a","exp":1}"#),
        Fixture.token(#"{"iss":"i","sub":"s","aud":"a","exp":"1"}"#), Fixture.token(claims, header: #"{"alg":"none"}"#),
        Fixture.token(claims, header: #"{"alg":"None"}"#),
        Fixture.token(#"{"iss":"a","iss":"b","sub":"s","aud":"a","exp":1}"#),
    ])
    func `a malformed token is refused and not quoted`(text: String) {
        let error = #expect(throws: SigstoreError.self) { try IdentityToken(text) }
        #expect(error?.code == "identity.token_malformed")
        if text.count > 8 { #expect(error.map { !"\($0)".contains(text) } == true) }
    }

    @Test func `each fault has its own name`() throws {
        let token = try IdentityToken(Fixture.token(Self.claims))
        func code(at seconds: Int64, audience: String = "sigstore") -> String? {
            do throws(SigstoreError) {
                try token.checkUsable(at: Date(unixSeconds: seconds), audience: audience)
                return nil
            } catch { return error.code }
        }
        #expect(code(at: 1500) == nil)
        #expect(code(at: 2000) == "identity.token_expired")
        #expect(code(at: 939) == "identity.token_not_yet_valid")
        #expect(code(at: 940) == nil)
        #expect(code(at: 1500, audience: "Sigstore") == "identity.audience")
    }

    @Test func `an email is the proof subject only when it is verified`() throws {
        func subject(_ more: String) throws -> String {
            try IdentityToken(Fixture.token(#"{"iss":"i","sub":"s","aud":"a","exp":1,"email":"e@x""# + more + "}"))
                .proofSubject
        }
        #expect(try subject(#","email_verified":true"#) == "e@x")
        #expect(try subject(#","email_verified":"true""#) == "e@x")
        #expect(try subject(#","email_verified":false"#) == "s")
        #expect(try subject("") == "s")
    }

    @Test func `a missing or empty file and variable are named`() async throws {
        let file = await #expect(throws: SigstoreError.self) {
            try await FileTokenSource(path: "/nonexistent/token").token()
        }
        #expect(file?.code == "identity.token_missing")
        let folder = try TemporaryDirectory()
        #expect(FileManager.default.createFile(atPath: folder.path + "/token", contents: nil))
        let empty = await #expect(throws: SigstoreError.self) {
            try await FileTokenSource(path: folder.path + "/token").token()
        }
        #expect(empty?.code == "identity.token_missing")
        let variable = await #expect(throws: SigstoreError.self) {
            try await EnvironmentTokenSource(variable: "NO_SUCH_TOKEN_VARIABLE").token()
        }
        #expect(variable?.code == "identity.token_missing")
    }
}
