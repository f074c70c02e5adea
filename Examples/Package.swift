// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "examples",
    // elsewhere: .package(url: …, from: …)
    dependencies: [.package(name: "countersign", path: "..")],
    targets: [
        .executableTarget(
            name: "VerifyImage", dependencies: [.product(name: "Sigstore", package: "countersign")]),
        .executableTarget(
            name: "SignImage",
            dependencies: [
                .product(name: "Sigstore", package: "countersign"), .product(name: "Curl", package: "countersign"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
