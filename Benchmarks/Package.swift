// swift-tools-version:6.1
import PackageDescription

/// Same settings as the package above, of which only the products that the programs need are linked in here: no server, no
/// database.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func product(_ name: String) -> Target.Dependency { .product(name: name, package: "countersign") }

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "countersign", path: "..")],
    targets: [
        .executableTarget(
            name: "DeliveryLoad", dependencies: [product("Curl"), product("OpenSSL")], swiftSettings: strict),
        .executableTarget(
            name: "VerifySpeed", dependencies: [product("Sigstore"), product("Curl"), product("OpenSSL")],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
