// swift-tools-version:6.1
import PackageDescription

/// Same settings as the package above, of which only the modules that the programs need are linked in here: no server, no database.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "benchmarks",
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
        .systemLibrary(name: "CSpawn"),
        .target(name: "Curl", dependencies: ["CCurl"], swiftSettings: strict),
        .target(name: "OpenSSL", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(name: "StrictJSON", swiftSettings: strict),
        .target(name: "Sigstore", dependencies: ["CSpawn", "Curl", "OpenSSL", "StrictJSON"], swiftSettings: strict),
        .executableTarget(name: "DeliveryLoad", dependencies: ["Curl", "OpenSSL"], swiftSettings: strict),
        .executableTarget(name: "VerifySpeed", dependencies: ["Sigstore", "Curl", "OpenSSL"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
