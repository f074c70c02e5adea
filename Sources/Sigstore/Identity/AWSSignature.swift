import FoundationEssentials
import OpenSSL

/// Credentials for AWS's services.
struct AWSCredentials: Sendable, CustomStringConvertible, CustomReflectable {
    let accessKey: String
    let secretKey: String
    /// Belongs to temporary credentials.
    let sessionToken: String?

    var description: String { "AWS credentials (redacted)" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A request signed by Signature Version 4 (AWS IAM user guide, "Create a signed AWS API request").
struct AWSSignature {
    let credentials: AWSCredentials
    let region: String
    let service: String

    /// The fields to add to a request: `X-Amz-Date`, `X-Amz-Security-Token` with temporary credentials, `Authorization`.
    ///
    /// - Parameters:
    ///   - path: absolute and already escaped; `query` likewise, sorted by name.
    ///   - headers: what is sent and signed besides, `host` among it; names in lower case.
    func fields(
        method: String, path: String, query: String = "", headers: [(String, String)], body: [UInt8], at time: Date
    ) -> [(String, String)] {
        let stamp = Self.stamp(time)
        var added = [("x-amz-date", stamp)]
        if let token = credentials.sessionToken { added.append(("x-amz-security-token", token)) }
        let signed = (headers + added).sorted { $0.0 < $1.0 }
        let names = signed.map(\.0).joined(separator: ";")
        let canonical = [
            method, path, query, signed.map { "\($0.0):\($0.1)\n" }.joined(), names, Hex.encode(Hash.sha256(body)),
        ].joined(separator: "\n")
        let day = String(stamp.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let toSign = [
            "AWS4-HMAC-SHA256", stamp, scope, Hex.encode(Hash.sha256(Array(canonical.utf8))),
        ].joined(separator: "\n")
        // the key is derived for the day, the region and the service: what leaks of it ends with them
        let key = [day, region, service, "aws4_request"].reduce(Array("AWS4\(credentials.secretKey)".utf8)) {
            HMAC.sha256(key: $0, message: Array($1.utf8))
        }
        let signature = Hex.encode(HMAC.sha256(key: key, message: Array(toSign.utf8)))
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
        return added + [("authorization", authorization)]
    }

    /// `20150830T123600Z`
    private static func stamp(_ time: Date) -> String {
        let whole = Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down))
        return whole.rfc3339.filter { $0 != "-" && $0 != ":" }
    }
}
