import HTTPTypes

extension SignController {
    package var operations: [Operation] { Self.operations }

    static let operations = [
        Operation(
            .post, "/v1/sign", "sign", "Asks for what a push would have been granted.", access: .role(.operator),
            reach: .one,
            body: .json(.object(["references": .list(of: .string, count: 1...100)])),
            answers: [
                .json(
                    202, "all are stored",
                    .object([
                        "items": .list(
                            of: .object(
                                ["reference": .string, "verdict": .one(of: ["accepted", "known", "refused"])],
                                optional: ["reason": .string]))
                    ]))
            ],
            problems: [
                400: ["api.malformed", "api.interrupted", "reference.malformed", "reference.incomplete"],
                413: ["api.too_large"],
            ])
    ]
}
