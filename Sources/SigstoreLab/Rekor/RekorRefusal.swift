import HTTPTypes

/// What Rekor 1.5 says no with. Two writers are at work there: the API's own errors end in a newline, those of the
/// generated server (go-openapi) do not and carry its own codes.
enum RekorRefusal: Error {
    /// 400 of the entry types.
    case entry(String)
    /// 400 of the other calls.
    case badRequest(String)
    /// 409: the leaf is there already.
    case duplicate(uuid: String)
    /// 422 of the generated server, with its code.
    case invalid(code: Int, String)
    /// 415.
    case mediaType(String)
    /// Broken JSON is a 500, as the generated server has it.
    case broken(String)
    /// 404 without a body.
    case notFound

    var answer: Answer {
        switch self {
        case .entry(let reason): own(400, "error processing entry: \(reason)")
        case .badRequest(let reason): own(400, reason)
        case .duplicate(let uuid): duplicate(uuid)
        case .invalid(let code, let reason): .json(Body(code: code, message: reason), status: .unprocessableContent)
        case .mediaType(let type):
            .json(
                Body(code: 415, message: "unsupported media type \"\(type)\", only [application/json] are allowed"),
                status: .unsupportedMediaType)
        case .broken(let reason): .json(Body(code: 500, message: reason), status: .internalServerError)
        case .notFound: Answer(.notFound)
        }
    }

    private func own(_ status: Int, _ message: String) -> Answer {
        .json(Body(code: status, message: message), status: HTTPResponse.Status(code: status), newline: true)
    }

    private func duplicate(_ uuid: String) -> Answer {
        var answer = own(409, "an equivalent entry already exists in the transparency log with UUID \(uuid)")
        answer.headers[.location] = RekorSite.location(uuid)
        return answer
    }

    private struct Body: Encodable {
        let code: Int
        let message: String
    }
}
