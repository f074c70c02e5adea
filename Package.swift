// swift-tools-version:6.1
import PackageDescription

/// Every module: Swift 6 language mode, explicit `any`, imports that do not leak.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// `COUNTERSIGN_FAIL_POINTS` set: a build whose steps can be made to die, for scripts/fail-points.
let failPoints: [SwiftSetting] = Context.environment["COUNTERSIGN_FAIL_POINTS"] != nil ? [.define("FAIL_POINTS")] : []

let package = Package(
    name: "countersign",
    products: [
        .executable(name: "countersign", targets: ["CountersignCLI"]),
        .executable(name: "countersign-push", targets: ["PushLoad"]),
        .library(name: "OCI", targets: ["OCI"]),
        .library(name: "Sigstore", targets: ["Sigstore"]),
        .library(name: "TUF", targets: ["TUF"]),
        // of whose types their interfaces are made
        .library(name: "Curl", targets: ["Curl"]),
        .library(name: "OpenSSL", targets: ["OpenSSL"]),
        .library(name: "StrictJSON", targets: ["StrictJSON"]),
    ],
    dependencies: [
        // traits: [] leaves Foundation, BoringSSL and swift-nio-ssl out of the build
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // C libraries: one module map each, one Swift owner each
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CSpawn"),
        .systemLibrary(name: "CHeap"),
        .target(name: "Curl", dependencies: ["CCurl"], swiftSettings: strict),
        .target(name: "OpenSSL", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(name: "Postgres", dependencies: ["CPostgres"], swiftSettings: strict),

        // One reading of JSON for everything that is signed, hashed or decided upon
        .target(name: "StrictJSON", swiftSettings: strict),

        // Places where a build for tests can be made to die; nothing at all in any other
        .target(name: "FailPoints", dependencies: ["CSpawn"], swiftSettings: strict + failPoints),

        // Protocols: neither knows the other, nor Postgres, nor jobs
        .target(name: "OCI", dependencies: ["FailPoints", "Curl", "OpenSSL", "StrictJSON"], swiftSettings: strict),
        .target(name: "Sigstore", dependencies: ["CSpawn", "Curl", "OpenSSL", "StrictJSON"], swiftSettings: strict),

        // How trust material is distributed; knows nothing of Sigstore
        .target(name: "TUF", dependencies: ["Curl", "OpenSSL", "StrictJSON"], swiftSettings: strict),

        // A whole Sigstore in one process, for demo, tests and offline work
        .target(
            name: "SigstoreLab",
            dependencies: [
                "Sigstore", "OpenSSL",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: strict),

        // The service
        .target(
            name: "Countersign",
            dependencies: [
                "CHeap", "FailPoints", "OCI", "Sigstore", "TUF", "StrictJSON", "Postgres", "Curl", "OpenSSL",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "CountersignCLI",
            dependencies: [
                "Countersign", "SigstoreLab", "OCI", "Sigstore", "TUF", "StrictJSON", "Postgres", "Curl", "OpenSSL",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: strict),
        // Pushes sample images and bursts, and measures: the demo and the load runs
        .executableTarget(
            name: "PushLoad",
            dependencies: [
                "Countersign", "OCI", "Sigstore", "Curl", "OpenSSL",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Tests
        .target(
            name: "Support", dependencies: ["Curl", "Postgres", "OpenSSL"], path: "Tests/Support", swiftSettings: strict
        ),
        // Fuzzing: the parsers' targets, replayed over their kept corpora by the tests; the fuzzer itself is at the end
        .target(
            name: "FuzzTargets",
            dependencies: ["Countersign", "OCI", "Sigstore", "TUF", "StrictJSON", "Curl", "OpenSSL"],
            path: "Fuzz/Targets",
            swiftSettings: strict),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: strict),
        .testTarget(name: "CurlTests", dependencies: ["Curl", "Support"], swiftSettings: strict),
        .testTarget(
            name: "OpenSSLTests", dependencies: ["OpenSSL", "Support"], exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: strict),
        .testTarget(name: "PostgresTests", dependencies: ["Postgres", "Support"], swiftSettings: strict),
        .testTarget(
            name: "OCITests", dependencies: ["OCI", "StrictJSON", "Curl", "OpenSSL", "Support"], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "SigstoreTests", dependencies: ["Sigstore", "StrictJSON", "Curl", "OpenSSL", "Support"],
            exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "TUFTests", dependencies: ["TUF", "StrictJSON", "OpenSSL", "Support"], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "SigstoreLabTests",
            dependencies: ["SigstoreLab", "Sigstore", "TUF", "Curl", "OpenSSL", "Support"], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "CountersignTests",
            dependencies: [
                "Countersign", "FailPoints", "SigstoreLab", "OCI", "Sigstore", "TUF", "StrictJSON", "Postgres", "Curl",
                "OpenSSL", "Support",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], exclude: ["Commands/Transcripts", "Intake/Fixtures", "Verification/Fixtures"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// scripts/fuzz: an executable whose main is libFuzzer's, so it exists only where everything is built for it
if Context.environment["COUNTERSIGN_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "countersign-fuzz", dependencies: ["FuzzTargets"], path: "Fuzz/Entry",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]))
}
