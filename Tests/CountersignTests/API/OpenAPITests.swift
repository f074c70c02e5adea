import Curl
import StrictJSON
import Testing

@testable import Countersign

@Suite struct OpenAPITests {
    @Test func `every route is described, and nothing else is`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let routes = Set(doors.listeners.routes(of: Door.allCases))
            let described = Set(doors.listeners.operations.map { "\($0.verb) \($0.path)" })
            for route in routes.subtracting(described).sorted() {
                Issue.record(
                    """
                    \(route) is not described. Add its Operation to 'operations' in
                    Sources/Countersign/API/Description/<its controller>+Operations.swift
                    """)
            }
            for operation in described.subtracting(routes).sorted() {
                Issue.record("\(operation) is described, and no controller answers it: mend or remove its Operation")
            }
        }
    }

    @Test func `an operation names each of its parameters, and has a name of its own`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let operations = doors.listeners.operations
            #expect(Set(operations.map(\.id)).count == operations.count)
            for operation in operations {
                let inPath = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }
                    .map { String($0.dropFirst().dropLast()) }
                #expect(operation.parameters.filter { $0.place == .path }.map(\.name) == inPath, "\(operation.path)")
                let statuses = Set(operation.answers.map(\.status)).intersection(operation.problems.keys)
                #expect(statuses.isEmpty, "\(operation.path) answers and refuses with \(statuses)")
            }
        }
    }

    @Test func `the document is served to anybody, and says who may do what`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.get("/v1/openapi.json")
            #expect(answer.status == 200)
            let document = try JSONValue(parsing: answer.body)
            #expect(document["openapi"]?.text == "3.1.0")
            let cancel = document["paths"]?["/v1/jobs/{id}/cancel"]?["post"]
            #expect(cancel?["security"] == .array([.object(["token": .array([.string("operator")])])]))
            #expect(document["components"]?["schemas"]?["Problem"] != nil)
            #expect(document == OpenAPIDocument(doors.listeners.operations, anonymousRead: false).json)
        }
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            let document = try JSONValue(parsing: try await doors.get("/v1/openapi.json").body)
            let token: JSONValue = .object(["token": .array([.string("viewer")])])
            #expect(document["paths"]?["/v1/jobs"]?["get"]?["security"] == .array([.object([:]), token]))
        }
    }

    @Test(arguments: [
        #"{"code": "a.b", "stage": "x", "observed": "y"}"#,
        #"{"code": "a.b", "stage": "x", "observed": "y", "fix": 1}"#,
        #"{"code": "a.b", "stage": "x", "observed": "y", "fix": "z", "more": 1}"#, "[]", "null",
    ]) func `an answer that is not as described is noticed`(text: String) throws {
        let document = OpenAPIDocument(ArtifactsController.operations, anonymousRead: false).json
        let schema: JSONValue = .object(["$ref": .string("#/components/schemas/Failure")])
        let check = SchemaCheck(document: document)
        #expect(!check.faults(try JSONValue(parsing: Array(text.utf8)), schema).isEmpty)
        let good = #"{"code": "a.b", "stage": "x", "observed": "y", "fix": "z"}"#
        #expect(check.faults(try JSONValue(parsing: Array(good.utf8)), schema).isEmpty)
    }
}
