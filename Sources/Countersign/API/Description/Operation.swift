package import HTTPTypes

/// One route as the served OpenAPI document describes it. It stands beside its controller, in
/// `API/Description/<Controller>+Operations.swift`: who adds a route adds its operation there, and a test compares the two.
package struct Operation: Sendable {
    package let method: HTTPRequest.Method
    /// With its parameters in braces: `/v1/jobs/{id}/cancel`.
    package let path: String
    /// Unique, for generated clients: `cancelJob`.
    package let id: String
    package let summary: String
    package let access: Access
    package let reach: Reach
    package let parameters: [Parameter]
    package let body: Body?
    package let answers: [Answer]
    /// Codes of the problem documents by status; those of ``commonProblems`` are among them.
    package let problems: [Int: [String]]

    /// Who may.
    package enum Access: Sendable, Equatable {
        case anybody
        /// A registry that has the endpoint's secret.
        case endpointSecret
        /// A token of at least that role; a viewer's also nobody, where the configuration lets everybody read.
        case role(APITokens.Role)
    }

    /// What the scope of a token has to do with it.
    package enum Reach: Sendable, Equatable {
        /// Nothing: it is not about repositories.
        case unscoped
        /// It is about one repository, which must be within the scope.
        case one
        /// It lists: what is outside the scope is left out.
        case filtered
        /// It is about what was asked for over the API: a token with a scope sees and commands what it asked for itself.
        case own
        /// It is about all repositories: a token with a scope may not.
        case everything
    }

    /// What comes with the request in its path, query or headers.
    package struct Parameter: Sendable {
        package enum Place: String, Sendable { case path, query, header }
        package let name: String
        package let place: Place
        package let isRequired: Bool
        package let schema: Schema
        package let meaning: String

        package static func path(_ name: String, _ schema: Schema, _ meaning: String) -> Parameter {
            Parameter(name: name, place: .path, isRequired: true, schema: schema, meaning: meaning)
        }

        package static func query(
            _ name: String, _ schema: Schema, _ meaning: String, required: Bool = false
        ) -> Parameter {
            Parameter(name: name, place: .query, isRequired: required, schema: schema, meaning: meaning)
        }

        package static func header(_ name: String, _ schema: Schema, _ meaning: String) -> Parameter {
            Parameter(name: name, place: .header, isRequired: false, schema: schema, meaning: meaning)
        }
    }

    package struct Body: Sendable {
        package let mediaType: String
        /// nil: bytes of any kind.
        package let schema: Schema?

        package static func json(_ schema: Schema) -> Body { Body(mediaType: "application/json", schema: schema) }
        package static let anything = Body(mediaType: "application/octet-stream", schema: nil)
    }

    /// What is answered when all is well.
    package struct Answer: Sendable {
        package let status: Int
        package let meaning: String
        /// nil: no body at all.
        package let mediaType: String?
        /// nil: not JSON.
        package let schema: Schema?

        package static func json(_ status: Int, _ meaning: String, _ schema: Schema) -> Answer {
            Answer(status: status, meaning: meaning, mediaType: "application/json", schema: schema)
        }

        package static func bytes(_ status: Int, _ meaning: String, _ mediaType: String) -> Answer {
            Answer(status: status, meaning: meaning, mediaType: mediaType, schema: nil)
        }

        package static func empty(_ status: Int, _ meaning: String) -> Answer {
            Answer(status: status, meaning: meaning, mediaType: nil, schema: nil)
        }
    }

    /// - Parameter problems: codes by status, without those that every operation of its access has.
    package init(
        _ method: HTTPRequest.Method, _ path: String, _ id: String, _ summary: String, access: Access,
        reach: Reach = .unscoped, parameters: [Parameter] = [], body: Body? = nil, answers: [Answer],
        problems: [Int: [String]] = [:]
    ) {
        self.method = method
        self.path = path
        self.id = id
        self.summary = summary
        self.access = access
        self.reach = reach
        self.parameters = parameters
        self.body = body
        self.answers = answers
        self.problems = Self.commonProblems(access, path, reach).merging(problems) { $0 + $1 }
    }

    /// What every route of its kind may refuse with.
    private static func commonProblems(_ access: Access, _ path: String, _ reach: Reach) -> [Int: [String]] {
        var problems = [500: ["http.internal"]]
        // an empty part of the path is another path
        if path.contains("{") { problems[404] = ["http.not_found"] }
        if case .role = access {
            problems[401] = ["api.token_missing", "api.token_malformed", "api.token_unknown", "api.token_invalid"]
            problems[403] = ["api.forbidden"]
            problems[503] = ["api.unavailable", "api.issuer_unavailable"]
            if reach == .one || reach == .everything { problems[403]?.append("api.out_of_scope") }
        }
        return problems
    }
}
