import HTTPTypes
import Hummingbird
import NIOCore
import StrictJSON

/// `GET /v1/openapi.json`: what this daemon answers, for people and for their tools.
struct DescriptionController: RouteSet {
    private let document: ByteBuffer

    init(_ document: OpenAPIDocument) { self.document = ByteBuffer(bytes: document.json.encoded()) }

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
                body: .init(byteBuffer: document))
        }
    }

    var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .get, "/v1/openapi.json", "describe", "This document.", access: .anybody,
            answers: [
                .json(
                    200, "OpenAPI 3.1",
                    .object([
                        "openapi": .string, "info": .anything, "paths": .map(of: .anything), "components": .anything,
                    ]))
            ])
    ]
}
