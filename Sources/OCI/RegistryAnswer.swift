internal import Curl
import StrictJSON

/// A registry's answer that was not the hoped-for one.
public struct RegistryAnswer: Sendable, Equatable, CustomStringConvertible {
    /// What was asked, e.g. `PUT /v2/app/manifests/sha256:…`.
    public let operation: String
    /// The HTTP status.
    public let status: Int
    /// The codes of the distribution specification's error body, e.g. `MANIFEST_UNKNOWN`.
    public let codes: [String]
    /// The error messages, or the beginning of a body of another form; at most 2 kB, no control characters.
    public let message: String
    /// When the registry wants to be asked again.
    public let retryAfter: Duration?
    /// The origin that answered, where the registry had redirected the request to another one than its own.
    public var redirectedTo: String? = nil

    /// Whether the body is the distribution specification's error form: the registry itself speaks, not a proxy before it.
    public var isDistributionError: Bool { !codes.isEmpty }

    /// Whether a 404 may be taken for the registry's word that something is not there: in its own form, or without any. A
    /// proxy's error page is an outage.
    public var isRegistrysOwn: Bool { isDistributionError || message.isEmpty }

    /// Whether a 404 says, in the specification's codes, that there is no such repository or manifest.
    public var saysThereIsNone: Bool { saysThereIsNoRepository || codes.contains("MANIFEST_UNKNOWN") }

    /// Whether a 404 of what is asked of a repository as a whole says, in the specification's codes, that there is none. Harbor's
    /// is `NOT_FOUND`, also of a manifest.
    package var saysThereIsNoRepository: Bool { codes.contains { ["NAME_UNKNOWN", "NOT_FOUND"].contains($0) } }

    /// `PUT … answered 404 NAME_UNKNOWN: …`.
    public var description: String {
        operation + (redirectedTo.map { ", redirected to \($0)," } ?? "") + " answered \(status)"
            + codes.map { " \($0)" }.joined() + (message.isEmpty ? "" : ": \(message)")
    }
}

extension RegistryAnswer {
    /// Reads the distribution specification's error body, `{"errors":[{"code":…,"message":…}]}`, or what is there.
    init(_ operation: String, _ response: HTTPResponse) {
        let body = Array(response.body.prefix(64 << 10))
        var codes: [String] = []
        var messages: [String] = []
        if let document = try? JSONValue(parsing: body), case .array(let errors) = document["errors"] {
            for error in errors.prefix(10) {
                if let code = error["code"]?.text {
                    codes.append(String(response.withoutSecrets(code).legible.prefix(64)))
                }
                if let message = error["message"]?.text { messages.append(message) }
            }
        } else {
            messages = [String(decoding: body, as: UTF8.self)]
        }
        self.init(
            operation: operation, status: response.status, codes: codes,
            message: response.withoutSecrets(messages.joined(separator: "; ")).legible, retryAfter: response.retryAfter,
            redirectedTo: response.redirectedTo)
    }

    /// The error this answer is, where no other is more precise.
    var error: OCIError {
        // what a store says of an address that was signed for us: it ran out, or was signed wrongly
        if redirectedTo != nil, [400, 401, 403].contains(status) { return .redirectTargetRefused(self) }
        if codes.contains("TOOMANYREQUESTS") { return .throttled(self) }
        if codes.contains("MANIFEST_BLOB_UNKNOWN") { return .blobUnknown(self) }
        return switch status {
        case 401: .unauthorized(self)
        case 403: .forbidden(self)
        case 404: .notFound(self)
        case 429: .throttled(self)
        case 408, 500...599: .unavailable(self)
        case 400...499: .refused(self)
        default: .unexpectedAnswer(self, "status outside the protocol")
        }
    }
}
