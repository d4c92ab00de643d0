// swift-tools-version: 6.2
import PackageDescription

/// `Tests/run --sanitize` says which sanitizer it builds with; Sources/Locking has to know.
let sanitizerSettings: [SwiftSetting] =
    Context.environment["HECATE_SANITIZER"] == "thread" ? [.define("THREAD_SANITIZER")] : []

/// Swift 6 mode for every room: an import is internal unless a public declaration needs it, and no warning stays.
let settings: [SwiftSetting] =
    sanitizerSettings + [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .treatAllWarnings(as: .error),
    ]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
let certificates = Target.Dependency.product(name: "X509", package: "swift-certificates")

// `Tests/fuzz` builds with this, into a folder of its own: every room instrumented for libFuzzer, which brings its own `main`.
let isFuzzing = Context.environment["HECATE_FUZZ"] == "1"

let package = Package(
    name: "hecate",
    products: [
        .executable(name: "hecate", targets: ["hecate"]),
        .library(name: "PipelineKit", targets: ["PipelineKit"]),
        .library(name: "HecateCommand", targets: ["HecateCommand"]),
        .library(name: "Stages", targets: ["Stages"]),
        .library(name: "StageTestKit", targets: ["StageTestKit"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // The rooms, in the order in which they build on each other. Sources/README.md says what lives in each.
        .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CScheduler"),
        .target(name: "Locking", dependencies: ["CScheduler"], swiftSettings: settings),
        .target(name: "Wire", swiftSettings: settings),
        .target(name: "YAML", dependencies: ["CLibYAML"], swiftSettings: settings),
        .target(
            name: "PipelineKit", dependencies: ["Locking", "Wire", logging, metrics, collections],
            swiftSettings: settings),
        .target(name: "PipelineFile", dependencies: ["YAML", "PipelineKit"], swiftSettings: settings),
        .target(name: "Webhooks", dependencies: ["Wire", crypto], swiftSettings: settings),
        .target(
            name: "HTTPService",
            dependencies: [
                "Locking", logging, nio, nioTLS, .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),
        .target(
            name: "AWS",
            dependencies: [
                "Locking", "Wire", httpClient, crypto, certificates, nio,
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ], swiftSettings: settings),
        .target(
            name: "Spool",
            dependencies: [
                "Locking", "Wire", "PipelineKit", logging, metrics, collections,
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: settings),
        .target(
            name: "Stages",
            dependencies: [
                "Locking", "Wire", "PipelineKit", "Webhooks", "AWS", "HTTPService", "Spool", "CZlib", httpClient,
                logging,
                metrics,
                collections, crypto, nio, nioHTTP, nioTLS, nioPosix,
            ], swiftSettings: settings),
        .target(
            name: "ArgusStore",
            dependencies: [
                "Locking", "Wire", "HTTPService", .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: settings),
        .target(
            name: "Operations", dependencies: ["Locking", "Wire", "PipelineKit", "HTTPService", logging, metrics],
            resources: [
                .embedInCode("StatusPage/status.html"), .embedInCode("StatusPage/status.css"),
                .embedInCode("StatusPage/status.js"),
            ], swiftSettings: settings),
        .target(
            name: "HecateCommand",
            dependencies: [
                "AWS", "ArgusStore", "HTTPService", "Locking", "Operations", "PipelineFile", "PipelineKit", "Spool",
                "Stages", "Webhooks", "Wire", argumentParser, crypto, httpClient, logging, metrics, nio,
            ], swiftSettings: settings),
        .target(
            name: "StageTestKit", dependencies: ["Locking", "PipelineFile", "PipelineKit", "Wire", logging, metrics],
            swiftSettings: settings),
        .executableTarget(name: "hecate", dependencies: ["HecateCommand", "Stages"], swiftSettings: settings),

        // What tests and benchmarks share, and the tests of each room.
        .target(
            name: "TestSupport",
            dependencies: [
                "Locking", "HTTPService", httpClient, crypto, certificates, logging,
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ], path: "Tests/TestSupport", swiftSettings: settings),
        .executableTarget(
            name: "hecate-bench",
            dependencies: [
                "Locking", "hecate", "PipelineKit", "PipelineFile", "Stages", "HTTPService", "TestSupport",
                argumentParser, crypto, httpClient, nio,
                logging,
            ], path: "Tests/Benchmarks", exclude: ["README.md"], swiftSettings: settings),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "AWS", "ArgusStore", "HTTPService", "PipelineFile", "PipelineKit", "Stages", "Webhooks", "Wire", "YAML",
                logging,
            ], path: "Tests/Fuzz/Targets", swiftSettings: settings),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "YAMLTests", dependencies: ["YAML"], swiftSettings: settings),
        .testTarget(
            name: "PipelineKitTests",
            dependencies: ["Locking", "Operations", "PipelineKit", "Wire", "TestSupport", logging, metrics],
            swiftSettings: settings),
        .testTarget(
            name: "PipelineFileTests", dependencies: ["PipelineFile", "PipelineKit", "Stages", "TestSupport", logging],
            swiftSettings: settings),
        .testTarget(
            name: "SpoolTests",
            dependencies: ["Locking", "Spool", "PipelineKit", "Wire", "TestSupport", logging, metrics],
            swiftSettings: settings),
        .testTarget(
            name: "HTTPServiceTests", dependencies: ["HTTPService", "TestSupport", logging], swiftSettings: settings),
        .testTarget(
            name: "AWSTests", dependencies: ["Locking", "AWS", "Wire", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "ArgusStoreTests",
            dependencies: ["ArgusStore", "HTTPService", "Wire", "TestSupport", httpClient, logging, nio],
            swiftSettings: settings),
        .testTarget(
            name: "StagesTests",
            dependencies: [
                "Locking", "PipelineFile", "StageTestKit",
                "Stages", "PipelineKit", "Webhooks", "AWS", "HTTPService", "Wire", "YAML", "TestSupport", httpClient,
                logging,
                metrics, nio, nioHTTP, nioPosix, .product(name: "HTTPTypes", package: "swift-http-types"),
            ], swiftSettings: settings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["Locking", "hecate", "hecate-bench", "HTTPService", "TestSupport", httpClient, nio, nioTLS],
            swiftSettings: settings),
        .testTarget(
            name: "HecateCommandTests",
            dependencies: ["HecateCommand", "PipelineFile", "PipelineKit", "Stages", "TestSupport", "Wire", logging],
            swiftSettings: settings),
        .testTarget(
            name: "OperationsTests", dependencies: ["Operations", "HTTPService", "Wire", logging, metrics],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

if isFuzzing {
    for target in package.targets where target.type == .regular {
        target.swiftSettings?.append(.unsafeFlags(["-sanitize=fuzzer"]))
    }
    package.products.append(.executable(name: "hecate-fuzz", targets: ["hecate-fuzz"]))
    package.targets.append(
        .executableTarget(
            name: "hecate-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/LibFuzzer",
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
}

// `deploy/docker/build.sh` links data of ICU that it has made smaller; given as an object, it comes before that of the archive.
if let data = Context.environment["HECATE_ICU_DATA"] {
    for target in package.targets where target.name == "hecate" {
        target.linkerSettings = [.unsafeFlags([data])]
    }
}
