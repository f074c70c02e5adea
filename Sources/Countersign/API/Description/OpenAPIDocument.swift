import HTTPTypes
package import StrictJSON

/// The OpenAPI 3.1 description of every door, made from the operations of the controllers: there is no second text that
/// could say something else.
package struct OpenAPIDocument: Sendable {
    package let operations: [Operation]
    /// Whether reading needs no token.
    package let anonymousRead: Bool

    package init(_ operations: [Operation], anonymousRead: Bool) {
        self.operations = operations
        self.anonymousRead = anonymousRead
    }

    package var json: JSONValue {
        let operations = operations.sorted { ($0.path, $0.verb) < ($1.path, $1.verb) }
        var paths = JSONObject()
        for operation in operations {
            var methods: JSONObject = if case .object(let known)? = paths[operation.path] { known } else { [:] }
            methods[operation.verb.lowercased()] = .object(description(of: operation))
            paths[operation.path] = .object(methods)
        }
        let schemas = operations.flatMap(\.schemas).reduce(into: [:]) { $0.merge($1.definitions) { first, _ in first } }
        let components: JSONObject = [
            "schemas": .object(
                JSONObject(schemas.sorted { $0.key < $1.key }.map { JSONObject.Member($0.key, .object($0.value)) })),
            "securitySchemes": .object([
                "token": .object([
                    "type": .string("http"), "scheme": .string("bearer"),
                    "description": .string(
                        "of `countersign token create`, or of an issuer in api.oidc; the role that is listed, or a higher one"
                    ),
                ]),
                "endpoint_secret": .object([
                    "type": .string("apiKey"), "in": .string("header"), "name": .string("Authorization"),
                    "description": .string("the endpoint's secret, whole"),
                ]),
            ]),
        ]
        return .object([
            "openapi": .string("3.1.0"),
            "info": .object([
                "title": .string("Countersign"), "version": .string("1"),
                "description": .string(
                    "Signs what is pushed to a registry. Errors are RFC 9457 problem documents with stable codes."),
            ]),
            "paths": .object(paths), "components": .object(components),
        ])
    }

    private func description(of operation: Operation) -> JSONObject {
        var json: JSONObject = [
            "operationId": .string(operation.id), "summary": .string(operation.summary),
            "tags": .array([.string(operation.tag)]), "security": security(of: operation),
            "x-countersign-scope": .string(operation.reach.word),
        ]
        if !operation.parameters.isEmpty {
            json["parameters"] = .array(operation.parameters.map(\.json))
        }
        if let body = operation.body {
            json["requestBody"] = .object([
                "required": .bool(true), "content": content(body.mediaType, body.schema),
            ])
        }
        var responses = JSONObject()
        for answer in operation.answers {
            var response: JSONObject = ["description": .string(answer.meaning)]
            if let mediaType = answer.mediaType { response["content"] = content(mediaType, answer.schema) }
            responses["\(answer.status)"] = .object(response)
        }
        for (status, codes) in operation.problems.sorted(by: { $0.key < $1.key }) {
            let problem: JSONObject = [
                "description": .string(codes.joined(separator: ", ")),
                "content": content("application/problem+json", .problem(codes)),
            ]
            responses["\(status)"] = .object(problem)
        }
        json["responses"] = .object(responses)
        return json
    }

    private func content(_ mediaType: String, _ schema: Schema?) -> JSONValue {
        .object([mediaType: .object(schema.map { ["schema": .object($0.json)] } ?? [:])])
    }

    /// OpenAPI 3.1 lets a bearer scheme name the roles that are needed.
    private func security(of operation: Operation) -> JSONValue {
        switch operation.access {
        case .anybody: .array([])
        case .endpointSecret: .array([.object(["endpoint_secret": .array([])])])
        case .role(let role):
            .array(
                (role == .viewer && anonymousRead && operation.isRead ? [.object([:])] : [])
                    + [.object(["token": .array([.string(role.rawValue)])])])
        }
    }
}

extension Operation {
    /// `GET`, `POST`, …
    package var verb: String { method.rawValue }

    var isRead: Bool { method == .get }

    /// The first word of the path: what a client's menu groups by.
    var tag: String {
        let words = path.split(separator: "/")
        return String((words.first == "v1" ? words.dropFirst().first : words.first) ?? "")
    }

    /// Every schema that the document needs for it.
    var schemas: [Schema] {
        parameters.map(\.schema) + answers.compactMap(\.schema) + [body?.schema].compactMap { $0 }
            + problems.values.map(Schema.problem)
    }
}

extension Operation.Parameter {
    fileprivate var json: JSONValue {
        .object([
            "name": .string(name), "in": .string(place.rawValue), "required": .bool(isRequired),
            "description": .string(meaning), "schema": .object(schema.json),
        ])
    }
}

extension Operation.Reach {
    package var word: String {
        switch self {
        case .unscoped: "none"
        case .one: "one repository"
        case .filtered: "filtered"
        case .own: "own requests"
        case .everything: "all repositories"
        }
    }
}
