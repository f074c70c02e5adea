import Curl
import StrictJSON

@testable import Countersign

/// Holds real answers against the OpenAPI document: every request of ``DoorsFixture`` is looked at.
struct DescribedAnswers {
    private let operations: [Countersign.Operation]
    private let document: JSONValue

    init(_ listeners: Listeners) {
        operations = listeners.operations
        document = OpenAPIDocument(operations, anonymousRead: false).json
    }

    /// What the document does not allow; empty if the answer is as described.
    func faults(_ method: HTTPRequest.Method, _ path: String, _ answer: HTTPResponse) -> [String] {
        let path = String(path.prefix { $0 != "?" })
        guard let operation = operation(method, path) else {
            return answer.status == 404 ? [] : ["no operation describes it"]
        }
        let responses = document["paths"]?[operation.path]?[operation.verb.lowercased()]?["responses"]
        guard let response = responses?["\(answer.status)"] else { return ["status \(answer.status) is not described"] }
        guard case .object(let content)? = response["content"] else {
            return answer.body.isEmpty ? [] : ["there is a body, and none is described"]
        }
        let type = answer.headers["Content-Type"]?.prefix { $0 != ";" } ?? ""
        guard let known = content.members.first(where: { $0.name == type || $0.name == "*/*" }) else {
            return ["content type \(type) is not described"]
        }
        guard let schema = known.value["schema"] else { return [] }
        guard let value = try? JSONValue(parsing: answer.body) else { return ["the body is not JSON"] }
        return SchemaCheck(document: document).faults(value, schema)
    }

    /// The one whose path is the fewest parameters away.
    private func operation(_ method: HTTPRequest.Method, _ path: String) -> Countersign.Operation? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let fitting = operations.filter { operation in
            let own = operation.path.split(separator: "/", omittingEmptySubsequences: false)
            return operation.verb == method.rawValue && own.count == parts.count
                && zip(own, parts).allSatisfy { $0 == $1 || $0.hasPrefix("{") && !$1.isEmpty }
        }
        return fitting.min { $0.path.count { $0 == "{" } < $1.path.count { $0 == "{" } }
    }
}
